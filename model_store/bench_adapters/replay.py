"""What a sample of traces costs: recordings judged once by all that was recorded and once by what the fetch plan would
have taken of their traces (`service.stores.trace_sampling`), all else being equal.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from model_store.bench_adapters.servers import ALWAYS
from service.agent.answering import Bench, answer
from service.agent.budget import Budget
from service.domain.localization import Localization, RankedBy
from service.domain.window import Window
from service.ports import Telemetry
from service.stores.embedded.decoded import microseconds
from service.stores.recorded import RecordedCase
from service.stores.trace_sampling import Asked, Found, TracePlan, known_among, sampled_spans

PATIENCE_S = 600.0


@dataclass(frozen=True, slots=True)
class Replay:
    """One recording: its answer by all of its traces, and by a sample of them."""

    case: str
    recorded: Localization
    sampled: Localization

    @property
    def agrees(self) -> bool:
        """Whether the first cause is the same component, or there is none in both."""
        return _first(self.recorded)[:1] == _first(self.sampled)[:1]

    def row(self) -> tuple[str, ...]:
        """As a row of a table."""
        answers = (" ".join(_first(said)) or "none" for said in (self.recorded, self.sampled))
        return (self.case, *answers, "" if self.agrees else "another")


def table(cases: Sequence[Path], plan: TracePlan | None = None) -> Iterator[str]:
    """A line at a time, the last of which counts."""
    yield "| case | all traces | a sample | |"
    yield "|---|---|---|---|"
    agreeing = count = 0
    for case in cases:
        if (found := replayed(case, plan)) is not None:
            agreeing, count = agreeing + found.agrees, count + 1
            yield f"| {' | '.join(found.row())} |"
    yield f"the first cause is the same in {agreeing} of {count}"


def replayed(case: Path, plan: TracePlan | None = None) -> Replay | None:
    """A case judged twice by statistics alone; None for one without traces."""
    return asyncio.run(_replayed(case, plan or TracePlan(within_s=PATIENCE_S)))


async def _replayed(directory: Path, plan: TracePlan) -> Replay | None:
    case = RecordedCase.open(directory)
    if case.telemetry.traces is None:
        return None
    spans = await case.telemetry.traces.spans(ALWAYS)
    telemetry = replace(case.telemetry, traces=SampledTraces(spans, plan))
    recorded, sampled = [await _judged(case, told) for told in (case.telemetry, telemetry)]
    return Replay(case.incident.id, recorded, sampled)


async def _judged(case: RecordedCase, telemetry: Telemetry) -> Localization:
    bench = Bench(telemetry, None, RankedBy.STATISTICAL, Budget(), 2 * PATIENCE_S, PATIENCE_S)
    return (await answer(case.incident, bench))[1].localization


def _first(said: Localization) -> tuple[str, ...]:
    return next(((cause.component.name, cause.fault.value) for cause in said.causes), ())


class SampledTraces:
    """Spans of a table as a server has them that finds the newest traces first."""

    name = "recording"

    def __init__(self, spans: pa.Table, plan: TracePlan) -> None:
        self._spans: Any = spans
        self._plan = plan
        column: Any = spans.column("trace_id")
        encoded = column.combine_chunks().dictionary_encode()
        self._trace, self._ids = np.asarray(encoded.indices), encoded.dictionary.to_pylist()
        self._start_us = np.asarray(self._spans.column("start").cast(pa.int64()))
        self._latest_us = np.zeros(len(self._ids), np.int64)
        np.maximum.at(self._latest_us, self._trace, self._start_us)
        self._duration_us = np.asarray(self._spans.column("duration_us"))
        self._service, self._failed = self._is("service"), self._is("status") == "error"

    async def spans(self, window: Window, alerting: Sequence[str] = (), traces: Sequence[str] = ()) -> pa.Table:
        """Spans of the window, a sample where there are many."""
        return await sampled_spans(self, window, alerting, self._plan, traces)

    async def focus(self, window: Window, alerting: Sequence[str]) -> Sequence[str]:
        """Services that alert, as far as they have spans; else any."""
        return known_among(alerting, dict.fromkeys(self._service.tolist())) or [""]

    async def search(self, asked: Asked) -> Found:
        """Traces through a service."""
        there = (self._start_us >= microseconds(asked.window.start)) & (
            self._start_us <= microseconds(asked.window.end)
        )
        there &= self._duration_us >= asked.at_least_us
        there &= (self._service == asked.service) if asked.service else True
        there &= self._failed if asked.failed else True
        found = np.unique(self._trace[there])
        newest = found[np.argsort(-self._latest_us[found], kind="stable")][: asked.limit]
        return Found(self._of(newest), len(newest))

    async def trace(self, trace_id: str, window: Window) -> pa.Table:
        """The spans of one trace."""
        return self._of(np.array([self._ids.index(trace_id)] if trace_id in self._ids else [], np.int64))

    def _is(self, column: str) -> Any:
        return np.asarray(self._spans.column(column).to_pylist(), dtype=object)

    def _of(self, traces: Any) -> pa.Table:
        return self._spans.filter(pa.array(np.isin(self._trace, traces)))
