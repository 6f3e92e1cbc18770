"""``hypocenter-models realism``: how well simulated incidents can be told from recorded ones, and by what."""

import asyncio
import multiprocessing
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pyarrow as pa

from model_store.cases import find_cases, read_truth
from model_store.realism.comparison import Comparison, compare_incidents, compare_rows, lines
from model_store.realism.features import Described, describe
from model_store.train.filling import PATIENCE_S, PoolPlan, simulated
from service.errors import CallerError
from service.extras import need
from service.stores.recorded import RecordedCase
from service.view.opening import open_view

Say = Callable[[str], None]
REPORT = "realism.md"
FEWEST = 10
"""Fewer recorded cases than this can be told by heart."""


def realism(
    roots: Iterable[Path], count: int, seed: int, out: Path | None, say: Say, workers: int = 1
) -> tuple[Comparison, Comparison]:
    """Simulates ``count`` incidents, computes their evidence and that of the recorded cases, and says how well single
    rows and whole incidents are told apart; with ``out``, also writes that and pictures there.

    Raises `CaseError` for what is no case, `CallerError` for too few of them.
    """
    if out is not None:
        need("train", "realism --out", "matplotlib")
    cases = find_cases(roots)
    if len(cases) < FEWEST:
        raise CallerError(f"{len(cases)} recorded cases: at least {FEWEST} are needed to compare with")
    plan = PoolPlan(seed=seed, count=count, healthy=0.1)
    made, there = _described(plan, cases, workers)
    found = compare_rows(made, there), compare_incidents(made, there)
    systems = ", ".join(sorted({incident.system for incident in there}))
    text = [f"{count} simulated incidents (seed {seed}) and {len(there)} recorded ones ({systems})", ""]
    text += [line for comparison in found for line in lines(comparison)]
    for line in text:
        say(line)
    if out is not None:
        _keep(out, text, made, there, found)
    return found


def _described(plan: PoolPlan, cases: tuple[Path, ...], workers: int) -> tuple[list[Described], list[Described]]:
    numbers = range(plan.count)
    if workers == 1:
        return [_of_plan(plan, number) for number in numbers], [recorded(case) for case in cases]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_one_core) as executor:
        made = executor.map(_of_plan, [plan] * plan.count, numbers, chunksize=8)
        there = executor.map(recorded, cases, chunksize=4)
        return list(made), list(there)


def recorded(case: Path) -> Described:
    """A recorded case, described."""
    opened = RecordedCase.open(case)
    view = asyncio.run(open_view(opened.incident, opened.telemetry, PATIENCE_S))
    return describe(view, read_truth(case))


def _of_plan(plan: PoolPlan, number: int) -> Described:
    incident = simulated(plan, number)
    return describe(incident.view, incident.truth)


def _keep(
    out: Path,
    text: list[str],
    made: list[Described],
    there: list[Described],
    found: tuple[Comparison, Comparison],
) -> None:
    from model_store.realism.pictures import draw

    out.mkdir(parents=True, exist_ok=True)
    (out / REPORT).write_text("\n".join(text), encoding="utf-8")
    draw(out, made, there, found)


def _one_core() -> None:
    os.nice(10)
    pa.set_cpu_count(1)
