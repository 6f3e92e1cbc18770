from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from model_store.simulate.system import LEAVES, Call, System

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MOST_CALLS = 40
"""Calls in one journey at most, without second tries; real traces are longer, but nothing new is in them."""
MOST_SECOND_TRIES = 16
NOT_AGAIN = -1


@dataclass(frozen=True)
class Journey:
    """What one kind of request does: a tree of calls in the order in which they are made, parents before children.

    ``operations`` and ``parents`` have an entry a call (-1 is the root's parent), ``follows`` the share of the
    parent's executions that make this call. ``again_of`` is the call whose failure a call answers, -1 for first tries;
    ``manners`` tells how each call is made.
    """

    operations: Ints
    parents: Ints
    follows: Floats
    again_of: Ints
    manners: tuple[Call, ...]

    def children(self, call: int) -> list[int]:
        """The calls that a call makes, in order; a second try comes right after the first."""
        return self._families[call]

    @cached_property
    def _families(self) -> list[list[int]]:
        families: list[list[int]] = [[] for _ in self.operations]
        for call in np.lexsort((self.again_of, np.where(self.again_of >= 0, self.again_of, np.arange(len(self))))):
            if (parent := int(self.parents[call])) >= 0:
                families[parent].append(int(call))
        return families

    def __len__(self) -> int:
        return len(self.operations)


@dataclass(frozen=True, slots=True)
class Workload:
    """The journeys of a system and how often each is taken, before and now: the mix of requests is never the same."""

    journeys: tuple[Journey, ...]
    mix_before: Floats
    mix_now: Floats


def random_workload(rng: np.random.Generator, system: System) -> Workload:
    """Journeys that between them reach every service at least once, with a mix that drifts."""
    goals = _goals(rng, system)
    journeys = [random_journey(rng, system, goal) for goal in goals]
    mix = rng.dirichlet(np.full(len(journeys), 3.0))
    drifted = mix * np.exp(rng.normal(0, rng.uniform(0.05, 0.5), len(journeys)))
    return Workload(tuple(journeys), mix, drifted / drifted.sum())


def _goals(rng: np.random.Generator, system: System) -> list[frozenset[int]]:
    """Every service is the goal of one journey, so that none stays unvisited; large systems have more journeys."""
    journeys = int(rng.integers(3, 7)) + len(system.names) // 12
    owner = rng.integers(journeys, size=len(system.names))
    return [frozenset(np.flatnonzero(owner == j).tolist()) for j in range(journeys)]


def random_journey(rng: np.random.Generator, system: System, goals: frozenset[int]) -> Journey:
    """A random walk down the calls from an operation of the entry; callees on the way to a goal are always taken."""
    leads = _leads_to(system, goals)
    operations, parents, follows = [int(rng.choice(system.asked[0]))], [-1], [1.0]
    manners = [Call()]
    unfolded = 0
    while unfolded < len(operations):
        caller = system.operations[operations[unfolded]].service
        for callee in system.calls[caller]:
            if len(operations) < MOST_CALLS and (callee in leads or rng.random() < 0.25):
                operations.append(int(rng.choice(system.asked[callee])))
                parents.append(unfolded)
                follows.append(1.0 if callee in leads or rng.random() < 0.6 else float(rng.uniform(0.3, 0.95)))
                manners.append(system.manners[caller, callee])
        unfolded += 1
    again_of = [NOT_AGAIN] * len(operations)
    for call in range(1, len(operations)):
        if manners[call].again and len(operations) < MOST_CALLS + MOST_SECOND_TRIES:
            _try_again(call, operations, parents, follows, again_of, manners)
    return Journey(np.array(operations), np.array(parents), np.array(follows), np.array(again_of), tuple(manners))


RARE_VERBS = ("export", "refund", "archive", "merge", "audit")
"""What few requests ask for."""


def with_moved_mix(rng: np.random.Generator, workload: Workload) -> Workload:
    """The same journeys, whose mix has moved further since the baseline."""
    moved = workload.mix_now * np.exp(rng.normal(0, rng.uniform(0.2, 0.8), len(workload.journeys)))
    return replace(workload, mix_now=moved / moved.sum())


def with_rare_path(rng: np.random.Generator, system: System, workload: Workload) -> tuple[System, Workload, int | None]:
    """One more operation, and the journey in which few requests come to it: else it is as another journey. None where
    the journey that is taken as its pattern meets no service but the entry and stores.
    """
    like = workload.journeys[int(rng.integers(len(workload.journeys)))]
    owners = [system.operations[op].service for op in like.operations]
    inner = [c for c in range(1, len(like)) if system.roles[owners[c]] not in LEAVES and like.again_of[c] < 0]
    if not inner:
        return system, workload, None
    # A call that calls others shows more of what goes wrong in it.
    call = int(rng.choice([c for c in inner if like.children(c)] or inner))
    old, new, service = int(like.operations[call]), len(system.operations), owners[call]
    verb = str(rng.choice(RARE_VERBS))
    named = replace(
        system.operations[old], name=f"/{system.names[service]}/{verb}", line=f"{verb} finished for id {{}}"
    )
    asked = tuple((*its, new) if s == service else its for s, its in enumerate(system.asked))
    follows = like.follows.copy()
    while call >= 0:
        follows[call] = 1.0
        call = int(like.parents[call])
    rare = replace(like, operations=np.where(like.operations == old, new, like.operations), follows=follows)
    share = rng.uniform(0.04, 0.1)
    mixes = [np.append(mix * (1 - share), share) for mix in (workload.mix_before, workload.mix_now)]
    system = replace(system, operations=(*system.operations, named), asked=asked)
    return system, Workload((*workload.journeys, rare), *mixes), new


def _try_again(
    call: int, operations: list[int], parents: list[int], follows: list[float], again_of: list[int], manners: list[Call]
) -> None:
    """Appends a second try of a call, with all that the call does."""
    twin = {call: len(operations)}
    for old in range(call, len(operations)):
        if old != call and parents[old] not in twin:
            continue
        twin[old] = len(operations)
        operations.append(operations[old])
        parents.append(parents[old] if old == call else twin[parents[old]])
        follows.append(follows[old])
        again_of.append(call if old == call else twin.get(again_of[old], NOT_AGAIN))
        manners.append(manners[old])


def _leads_to(system: System, goals: frozenset[int]) -> set[int]:
    leads = set(goals)
    first = _first_callers(system)
    for service in reversed(range(1, len(system.names))):
        # One way is enough: the goal's first caller takes it there.
        if service in leads:
            leads.add(first[service])
    return leads


def _first_callers(system: System) -> dict[int, int]:
    first: dict[int, int] = {}
    for caller, callees in enumerate(system.calls):
        for callee in callees:
            first.setdefault(callee, caller)
    return first


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
