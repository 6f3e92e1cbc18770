"""What each constant of the statistical rank would become if it were chosen without one system, and what that costs.

For each system in turn, a coordinate search over the other systems' cases tries half and twice each constant (and keeps
what raises the mean of their mean reciprocal ranks); the left-out system is then ranked with the shipped constants and
with the refitted ones. If the shipped constants were fitted to a system, they do better there than those that never saw
it. Nothing is written: constants are changed by hand, with a reason.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from model_store.cases import find_cases, read_truth
from model_store.evaluate.scores import of_rank
from service.evidence.tables import Compared
from service.grader.ranks import rank_of_truth
from service.grader.truth import Truth
from service.ports import SPANS
from service.rank.constants import RankConstants
from service.rank.statistical import rank
from service.stores.recorded import RecordedCase
from service.view.opening import open_view
from service.view.view import View

STEPS = (0.5, 2.0)
ROUNDS = 2
"""Passes over all constants; a third changes nothing worth telling."""

GAIN = 1e-3
"""A change of the objective below this is no reason to move a constant."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """One case as the search needs it: its view (without the tables) and its truth."""

    system: str
    view: View
    truth: Truth


@dataclass(frozen=True, slots=True)
class LeftOut:
    """The outcome for one left-out system: (MRR, AC@1) there, shipped and refitted, and what moved."""

    system: str
    cases: int
    shipped: tuple[float, float]
    refitted: tuple[float, float]
    moved: tuple[tuple[str, float, float], ...]


def leave_one_system_out(cases: Sequence[Labelled], say: Callable[[str], None]) -> tuple[LeftOut, ...]:
    """Refit without each system in turn. Systems without a labelled cause are not left out, having nothing to lose."""
    outcomes: list[LeftOut] = []
    shipped = RankConstants()
    for system in dict.fromkeys(case.system for case in cases):
        rest = [case for case in cases if case.system != system]
        held = [case for case in cases if case.system == system and case.truth.causes]
        if not rest or not held:
            continue
        refitted = search(rest, shipped)
        moved = tuple((n, a, b) for (n, a), (_, b) in zip(_values(shipped), _values(refitted), strict=True) if a != b)
        outcome = LeftOut(system, len(held), _scores(held, shipped), _scores(held, refitted), moved)
        outcomes.append(outcome)
        say(_told(outcome))
    return tuple(outcomes)


def search(cases: Sequence[Labelled], start: RankConstants) -> RankConstants:
    """Coordinate search from the given constants; deterministic."""
    best, constants = _objective(cases, start), start
    for _ in range(ROUNDS):
        before = best
        for name, _value in _values(start):
            for step in STEPS:
                candidate = replace(constants, **{name: getattr(constants, name) * step})
                reached = _objective(cases, candidate)
                if reached > best + GAIN:
                    best, constants = reached, candidate
        if best <= before + GAIN:
            break
    return constants


def load(roots: Iterable[Path]) -> list[Labelled]:
    """All labelled cases below the roots, with their evidence computed once."""
    return [_load(directory) for directory in find_cases(roots)]


def _load(directory: Path) -> Labelled:
    case = RecordedCase.open(directory)
    view = asyncio.run(open_view(case.incident, case.telemetry))
    traced = None if view.tables.spans is None else Compared(SPANS.empty_table(), None)  # the rank asks whether it was
    bare = replace(view.tables, spans=traced, logs=None, metrics=None, changes=None, topology=None)
    return Labelled(case.incident.system or directory.parent.name, replace(view, tables=bare), read_truth(directory))


def _values(constants: RankConstants) -> list[tuple[str, float]]:
    """All constants by name."""
    return [(f.name, getattr(constants, f.name)) for f in fields(constants)]


def _reciprocal(case: Labelled, constants: RankConstants) -> float:
    found = rank_of_truth([s.component for s in rank(case.view, constants)], case.truth, case.view.graph)
    return of_rank(found).reciprocal


def _objective(cases: Sequence[Labelled], constants: RankConstants) -> float:
    """The mean over systems, so that a large one does not drown a small one, of the mean reciprocal rank."""
    by_system: dict[str, list[float]] = {}
    for case in cases:
        if case.truth.causes:
            by_system.setdefault(case.system, []).append(_reciprocal(case, constants))
    return sum(sum(r) / len(r) for r in by_system.values()) / max(len(by_system), 1)


def _scores(cases: Sequence[Labelled], constants: RankConstants) -> tuple[float, float]:
    reciprocals = [_reciprocal(case, constants) for case in cases]
    return sum(reciprocals) / len(cases), sum(r == 1 for r in reciprocals) / len(cases)


def _told(outcome: LeftOut) -> str:
    lines = [
        f"{outcome.system} left out ({outcome.cases} cases): MRR {outcome.shipped[0]:.2f} shipped, "
        f"{outcome.refitted[0]:.2f} refitted; AC@1 {outcome.shipped[1]:.2f} shipped, {outcome.refitted[1]:.2f} refitted"
    ]
    lines += [f"    {name}: {shipped:g} would become {refitted:g}" for name, shipped, refitted in outcome.moved]
    return "\n".join(lines if outcome.moved else [*lines, "    no constant would move"])
