"""Filling a pool: simulated incidents by the hundred in worker processes, or recorded cases as they lie there."""

import asyncio
import multiprocessing
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from model_store.cases import read_truth
from model_store.simulate.families import FIELD, TRAINING
from model_store.simulate.generate import SyntheticCase, generate
from model_store.train.incidents import PooledIncident, stripped
from model_store.train.pool import Pool, claim, shard_file, write_shard
from service.domain.component import Component, ComponentKind
from service.domain.fault import Fault
from service.grader.truth import TrueCause, Truth
from service.stores.recorded import RecordedCase
from service.view.opening import open_view

PATIENCE_S = 120.0
"""How long a table may take: it lies in memory or on disk, so this only bounds the wait."""

Report = Callable[[int, int], None]
"""Told how many incidents are there, of how many."""


class PoolPlan(BaseModel):
    """What a pool of simulated incidents is made of; incident i depends on the plan and on i only.

    Sizes are log-normal around ``services``; one in ten or so (``any_size``) is of any size between the limits, small
    or large alike. The rate of traffic is as even on a logarithmic scale.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    seed: int = Field(ge=0)
    count: int = Field(ge=1)
    services: float = Field(default=18.0, ge=3)
    spread: float = Field(default=0.5, ge=0)  # standard deviation of the logarithm
    any_size: float = Field(default=0.1, ge=0, le=1)
    smallest: int = Field(default=3, ge=1)
    largest: int = Field(default=200, le=400)
    fewest_traces: int = Field(default=100, ge=10)
    most_traces: int = Field(default=500, ge=10)
    healthy: float = Field(default=0.08, ge=0, le=1)
    families: tuple[str, ...] = Field(default=(TRAINING.name,), min_length=1)  # of systems and faults, in turn
    field_share: float = Field(default=0.0, ge=0, le=1)  # of incidents, drawn from the family `field` instead
    shard: int = Field(default=64, ge=1)  # incidents in one file


def fill_with_simulated(directory: Path, plan: PoolPlan, workers: int = 1, report: Report | None = None) -> Pool:
    """Make the pool of a plan, or what is missing of it. Raises `CallerError` where another plan's pool lies."""
    claim(directory, plan.model_dump_json())
    missing = [n for n in range(-(-plan.count // plan.shard)) if not shard_file(directory, n).exists()]
    done = plan.count - sum(_size(plan, number) for number in missing)
    if report:
        report(done, plan.count)
    # Spawned, not forked: the parent may have threads of a numeric library, which a fork leaves in the middle.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_be_nice) as executor:
        futures = [executor.submit(_fill_shard, directory, plan, number) for number in missing]
        for future in as_completed(futures):
            done += future.result()
            if report:
                report(done, plan.count)
    return Pool.open(directory)


def fill_with_recorded(directory: Path, cases: Iterable[Path]) -> Pool:
    """Make a pool of labelled case directories; the family of each is its system. Raises `CaseError` for one that
    cannot be read.
    """
    found = tuple(cases)
    claim(directory, " ".join(["recorded", *(case.name for case in found)]))
    if not shard_file(directory, 0).exists():
        write_shard(shard_file(directory, 0), (recorded(case) for case in found))
    return Pool.open(directory)


def simulated(plan: PoolPlan, number: int) -> PooledIncident:
    """The plan's incident of that number."""
    rng = np.random.default_rng([plan.seed, number])
    family = _family(plan, number)
    case = generate(
        int(rng.integers(2**53)),
        services=_services(plan, rng),
        traces=round(float(np.exp(rng.uniform(np.log(plan.fewest_traces), np.log(plan.most_traces))))),
        healthy=bool(rng.random() < plan.healthy),
        family=family,
    )
    view = asyncio.run(open_view(case.incident, case.telemetry, PATIENCE_S))
    return PooledIncident(f"s{plan.seed}-{number}", family, stripped(view), truth_of(case))


def recorded(case: Path) -> PooledIncident:
    """A recorded case with its truth."""
    opened = RecordedCase.open(case)
    view = asyncio.run(open_view(opened.incident, opened.telemetry, PATIENCE_S))
    return PooledIncident(opened.incident.id, opened.incident.system, stripped(view), read_truth(case))


def truth_of(case: SyntheticCase) -> Truth:
    """The truth of a synthetic case as the grader reads it."""
    causes = case.truth["causes"]
    assert isinstance(causes, list)
    return Truth(tuple(TrueCause(Component(ComponentKind(c["kind"]), c["name"]), Fault(c["fault"])) for c in causes))


def _family(plan: PoolPlan, number: int) -> str:
    """A stream of its own decides it: without a share of the field, an incident is what it was before there was one."""
    field = np.random.default_rng([plan.seed, number, 1]).random() < plan.field_share
    return FIELD.name if field else plan.families[number % len(plan.families)]


def _services(plan: PoolPlan, rng: np.random.Generator) -> int:
    usual = float(np.exp(rng.normal(np.log(plan.services), plan.spread)))
    anything = float(np.exp(rng.uniform(np.log(plan.smallest), np.log(plan.largest))))
    return int(np.clip(round(anything if rng.random() < plan.any_size else usual), plan.smallest, plan.largest))


def _size(plan: PoolPlan, number: int) -> int:
    return min(plan.shard, plan.count - number * plan.shard)


def _fill_shard(directory: Path, plan: PoolPlan, number: int) -> int:
    first = number * plan.shard
    return write_shard(shard_file(directory, number), (simulated(plan, first + i) for i in range(_size(plan, number))))


def _be_nice() -> None:
    """Others use this machine too; one process, one core."""
    os.nice(10)
    pa.set_cpu_count(1)
