from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model_store.simulate.system import System

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MOST_CALLS = 40
"""Calls in one journey at most; real traces are longer, but nothing new is in them."""


@dataclass(frozen=True, slots=True)
class Journey:
    """What one kind of request does: a tree of calls in the order in which they are made, parents before children.

    ``operations`` and ``parents`` have an entry a call (-1 is the root's parent), ``follows`` the share of the
    parent's executions that make this call.
    """

    operations: Ints
    parents: Ints
    follows: Floats

    def children(self, call: int) -> list[int]:
        """The calls that a call makes, in order."""
        return np.flatnonzero(self.parents == call).tolist()


@dataclass(frozen=True, slots=True)
class Workload:
    """The journeys of a system and how often each is taken, before and now: the mix of requests is never the same."""

    journeys: tuple[Journey, ...]
    mix_before: Floats
    mix_now: Floats


def random_workload(rng: np.random.Generator, system: System) -> Workload:
    """Journeys that between them reach every service at least once, with a mix that drifts."""
    journeys = [random_journey(rng, system, goal) for goal in _goals(rng, system)]
    mix = rng.dirichlet(np.full(len(journeys), 3.0))
    drifted = mix * np.exp(rng.normal(0, 0.4, len(journeys)))
    return Workload(tuple(journeys), mix, drifted / drifted.sum())


def _goals(rng: np.random.Generator, system: System) -> list[frozenset[int]]:
    """Every service is the goal of one journey, so that none stays unvisited."""
    journeys = int(rng.integers(3, 7))
    owner = rng.integers(journeys, size=len(system.names))
    return [frozenset(np.flatnonzero(owner == j).tolist()) for j in range(journeys)]


def random_journey(rng: np.random.Generator, system: System, goals: frozenset[int]) -> Journey:
    """A random walk down the calls from an operation of the entry; callees on the way to a goal are always taken."""
    leads = _leads_to(system, goals)
    operations, parents, follows = [int(rng.choice(system.asked[0]))], [-1], [1.0]
    unfolded = 0
    while unfolded < len(operations):
        caller = system.operations[operations[unfolded]].service
        for callee in system.calls[caller]:
            if len(operations) < MOST_CALLS and (callee in leads or rng.random() < 0.25):
                operations.append(int(rng.choice(system.asked[callee])))
                parents.append(unfolded)
                follows.append(1.0 if callee in leads or rng.random() < 0.6 else float(rng.uniform(0.3, 0.95)))
        unfolded += 1
    return Journey(np.array(operations), np.array(parents), np.array(follows))


def _leads_to(system: System, goals: frozenset[int]) -> set[int]:
    leads = set(goals)
    for service in reversed(range(len(system.names))):
        # One way is enough: the goal's first caller takes it there.
        if any(callee in leads and _first_caller(system, callee) == service for callee in system.calls[service]):
            leads.add(service)
    return leads


def _first_caller(system: System, callee: int) -> int:
    return next(s for s, callees in enumerate(system.calls) if callee in callees)


def arrivals(rng: np.random.Generator, length_us: int, count: float, surge: tuple[int, float] | None = None) -> Ints:
    """Moments (µs from the period's start, sorted) at which requests arrive, about ``count`` of them.

    ``surge`` is (from when, how many times as many).
    """
    moments = rng.uniform(0, length_us, rng.poisson(count))
    if surge is not None:
        begin, factor = surge
        more = rng.poisson(count * (factor - 1) * (length_us - begin) / length_us)
        moments = np.concatenate([moments, rng.uniform(begin, length_us, more)])
    return np.sort(moments).astype(np.int64)
