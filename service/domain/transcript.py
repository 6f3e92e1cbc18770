"""The record of one localization's way: a tree of frames, each a list of turns. Printed, saved, loaded, trained on."""

from dataclasses import dataclass, field

from service.domain.component import Component
from service.domain.move import Move, Verdict


@dataclass(frozen=True, slots=True)
class Step:
    """One move and what came back, in the order in which the loop made them.

    ``number`` counts all steps of the localization from 0 and is the event id on the wire. ``rows`` are the ids of the
    evidence rows that the observation showed: only these may be cited. ``about`` are the components that the move
    names, as they are whatever the model calls them, in its order and without those that do not exist.
    """

    number: int
    round: int
    frame: int
    move: Move
    observation: str
    reply: str = ""
    rows: tuple[str, ...] = ()
    forced: bool = False
    prompt_tokens: int = 0
    completion_tokens: int = 0
    token_ids: tuple[int, ...] = ()
    about: tuple[Component, ...] = ()


@dataclass(slots=True)
class Frame:
    """One investigation of one component: the question its parent asked, its steps, and how it ended."""

    id: int
    parent: int | None
    depth: int
    component: Component
    question: str
    steps: list[Step] = field(default_factory=list[Step])
    verdict: Verdict | None = None

    def shown(self) -> frozenset[str]:
        """Ids of the evidence rows that it has been shown."""
        return frozenset(row for step in self.steps for row in step.rows)


@dataclass(slots=True)
class Transcript:
    """All frames of one localization, in the order in which they opened; the first is the root.

    ``rendering`` and ``prompt_id`` say in which words and under which rules it was played.
    """

    incident_id: str
    model: str
    rendering: str
    prompt_id: str
    frames: list[Frame] = field(default_factory=list[Frame])

    def steps(self) -> list[Step]:
        """Every step, in the order in which they were made."""
        return sorted((s for f in self.frames for s in f.steps), key=lambda s: s.number)

    def shown(self) -> frozenset[str]:
        """Ids of the evidence rows that any frame has been shown: only these may be cited."""
        return frozenset(row for frame in self.frames for row in frame.shown())
