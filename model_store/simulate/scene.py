from dataclasses import dataclass, field

import numpy as np

from model_store.simulate.executions import Bools, Executions, Line
from model_store.simulate.gauges import Gauges
from model_store.simulate.system import System
from model_store.simulate.workload import Floats
from service.domain.component import Component, ComponentKind, edge, service


@dataclass(frozen=True, slots=True)
class Change:
    """A change event; ``at_us`` counts from the window's start."""

    at_us: int
    service: int
    kind: str
    summary: str


@dataclass(frozen=True, slots=True)
class Target:
    """Where a fault strikes, and from when on (µs in the window): a service, those of its pods that it strikes; and
    where it strikes more or less than a service, the node (then ``pods`` are all that run there), the one caller or
    the one operation.
    """

    service: int
    pods: tuple[int, ...]
    onset_us: int
    node: int | None = None
    caller: int | None = None
    operation: int | None = None

    def component(self, system: System) -> Component:
        """What is to be found."""
        if self.node is not None:
            return Component(ComponentKind.NODE, system.nodes[self.node])
        if self.caller is not None:
            return edge(system.names[self.caller], system.names[self.service])
        return service(system.names[self.service])


@dataclass(frozen=True, slots=True)
class Release:
    """A new version of a service: each of the ``new`` pods takes over from one of the ``old``, from its moment in
    ``since_us`` (µs in the window) on.
    """

    service: int
    old: tuple[int, ...]
    new: tuple[int, ...]
    since_us: tuple[int, ...]


@dataclass(slots=True)
class Scene:
    """Everything of one incident that a fault or a nuisance may touch.

    ``now`` and ``before`` hold one `Executions` a journey; ``missing`` names tables that were not recorded;
    ``traced`` is the share of requests of which spans are kept; ``skew_us`` how far the clock of each node is off.
    ``done`` names the nuisances that are there. ``begin_us`` is when the baseline begins, counted from the window's
    start; ``rare`` an operation that few requests come to.
    """

    rng: np.random.Generator
    system: System
    now: list[Executions]
    before: list[Executions]
    gauges: Gauges
    window_us: float
    before_us: float
    changes: list[Change] = field(default_factory=list)
    missing: set[str] = field(default_factory=set)
    traced: float = 1.0
    skew_us: Floats | None = None
    untold: set[int] = field(default_factory=set)
    done: list[str] = field(default_factory=list)
    begin_us: float = 0.0
    rare: int | None = None
    releases: tuple[Release, ...] = ()

    def hits(self, target: Target) -> list[tuple[Executions, Bools]]:
        """Executions (T, K) that the target serves after the onset."""
        return [(x, self._hit(x, target)) for x in self.now]

    def _hit(self, x: Executions, target: Target) -> Bools:
        if target.node is not None:
            return x.on_pods(target.pods, target.onset_us)
        hit = x.served_by(target.service, target.pods, target.onset_us)
        return hit if target.operation is None else hit & (x.journey.operations == target.operation)[None, :]

    def traffic(self, target: Target, both_ways: bool = True) -> list[tuple[Executions, Bools]]:
        """Calls (T, K) into the target's pods and out of them; only those of one caller where the target is an edge."""
        found = [(x, self._hit(x, target)) for x in self.now]
        if target.caller is None:
            return [(x, hit | x.made_by(hit) if both_ways else hit) for x, hit in found]
        callers = [np.append(x.services()[x.journey.parents[1:]], 0) for x, _ in found]
        return [
            (x, hit & np.concatenate([[False], caller[:-1] == target.caller])[None, :])
            for (x, hit), caller in zip(found, callers, strict=True)
        ]

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

    def between(self, low: float, high: float) -> float:
        """A number between, as even on a logarithmic scale."""
        return float(np.exp(self.rng.uniform(np.log(low), np.log(high))))

    def felt(self, low: float, high: float) -> float:
        """A time (µs) that users notice: so many times what a request usually works in all, 2 s at most."""
        worked = np.concatenate([(x.self_us * x.made).sum(axis=1) for x in (*self.before, *self.now)] or [np.ones(1)])
        usual_us = float(np.median(worked)) if len(worked) else 10_000.0
        return float(np.clip(self.between(low, high) * usual_us, 5e3, 2e6))
