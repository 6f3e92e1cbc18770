"""What a model may do in its turn. A parser returns one of these; what cannot be parsed is data too."""

from dataclasses import dataclass

from service.domain.component import Component
from service.domain.fault import Fault


@dataclass(frozen=True, slots=True)
class ToolCall:
    """Ask a tool about a component; the name is as the model wrote it, not yet resolved."""

    tool: str
    target: str


@dataclass(frozen=True, slots=True)
class Investigate:
    """Open a child frame for each of these components (names as written)."""

    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A component that the model holds for a cause, the fault it sees, and the ids of the rows that prove it."""

    component: str
    fault: Fault
    rows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a child frame ends: is its component guilty, of what, and by which rows."""

    component: Component
    guilty: bool
    fault: Fault
    rows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReportVerdict:
    """The ending move of a child frame, as the model wrote it."""

    guilty: bool
    fault: Fault
    rows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PrintResults:
    """The ending move of the root frame: the ranked causes, most likely first."""

    causes: tuple[Suspicion, ...]


@dataclass(frozen=True, slots=True)
class Malformed:
    """Something that is no move: what was wrong, and what would have been right."""

    reason: str


Move = ToolCall | Investigate | ReportVerdict | PrintResults | Malformed
