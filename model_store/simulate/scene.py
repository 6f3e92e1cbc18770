from dataclasses import dataclass, field

import numpy as np

from model_store.simulate.executions import Bools, Executions, Line
from model_store.simulate.gauges import Gauges
from model_store.simulate.system import System


@dataclass(frozen=True, slots=True)
class Change:
    """A change event; ``at_us`` counts from the window's start."""

    at_us: int
    service: int
    kind: str
    summary: str


@dataclass(frozen=True, slots=True)
class Target:
    """Where a fault strikes: a service, those of its pods that it strikes, and from when on (µs in the window)."""

    service: int
    pods: tuple[int, ...]
    onset_us: int


@dataclass(slots=True)
class Scene:
    """Everything of one incident that a fault or a nuisance may touch.

    ``now`` and ``before`` hold one `Executions` a journey; ``missing`` names tables that were not recorded.
    """

    rng: np.random.Generator
    system: System
    now: list[Executions]
    before: list[Executions]
    gauges: Gauges
    changes: list[Change] = field(default_factory=list)
    missing: set[str] = field(default_factory=set)

    def hits(self, target: Target) -> list[tuple[Executions, Bools]]:
        """Executions (T, K) that the target serves after the onset."""
        return [(x, x.served_by(target.service, target.pods, target.onset_us)) for x in self.now]

    def sometimes(self, which: Bools, share: float) -> Bools:
        """A random share of these executions."""
        return which & (self.rng.random(which.shape) < share)

    def say(self, executions: Executions, which: Bools, severity: str, text: str) -> None:
        """These executions (T, K) write a log line."""
        for call in np.flatnonzero(which.any(axis=0)).tolist():
            executions.lines.append(Line(call, which[:, call], severity, text))

    def change(self, at_us: float, service: int, kind: str, summary: str) -> None:
        """A change event."""
        self.changes.append(Change(int(at_us), service, kind, summary))
