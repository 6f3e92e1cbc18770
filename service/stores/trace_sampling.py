"""The fetch plan for traces: what is asked of a trace server for one window, the same however many services there are.

A server of a busy system has more traces than an incident can look at, and answers a search with the newest or any.
So a window is asked in slices of a minute, spread over it, for a few traces each: typical ones. To these come a few of
those that failed and of the slowest, from the same minutes: so few that they cannot make a share look changed
(`DRIFT_OF_SHARE`), and as many of the baseline as of now. Slices lie a minute apart or more, so that the time between
them counts as not recorded and rates stay true. Where that finds little, the window is asked for everything.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final, Protocol

import numpy as np
import pyarrow as pa

from service.domain.window import Window
from service.errors import BackendError
from service.stores.case_tables import within
from service.stores.partial import with_notes
from service.stores.span_rows import distinct
from service.telemetry import NAME

FOCUS: Final = 3
"""Services of which traces are asked for: those that alert, or where none of them is known those at which traces begin.
Their traces hold whoever calls them and all that they call.
"""
SLICES: Final = 6
SLICE: Final = timedelta(minutes=1)
SPACING: Final = 2 * SLICE
FIRST: Final = 5
"""Traces that are asked for first: they tell how large traces are, and of a service that hardly has any, all."""
FEWEST: Final = 20
"""Traces that are asked for however large they are: fewer tell nothing."""
WORST: Final = 2
"""Failed traces, and slow ones, that every other slice is asked for."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One search: traces that pass through a service ("" for any), of a time; ``failed`` for those with an error there,
    ``at_least_us`` for those with a span there that took so long.
    """

    service: str
    window: Window
    limit: int
    failed: bool = False
    at_least_us: int = 0


def known_among(alerting: Sequence[str], known: Iterable[str]) -> list[str]:
    """Alerting services by the names that the traces have for them: labels of alerts may be written in another case."""
    there = [name for name in known if name != NAME]
    alike = {name.casefold(): name for name in there} | {name: name for name in there}
    named = (alike.get(name) or alike.get(name.casefold(), "") for name in alerting)
    return [name for name in dict.fromkeys(named) if name][:FOCUS]


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found: whole traces as `SPANS`, and how many there were; as many as asked for means more."""

    spans: pa.Table
    traces: int


class TraceSearch(Protocol):
    """A trace server that can be searched."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    async def focus(self, window: Window, alerting: Sequence[str]) -> Sequence[str]:
        """The services to ask for, at most `FOCUS`, "" for any of all. Raises `BackendError`."""
        ...

    async def search(self, asked: Asked) -> Found:
        """Traces. Raises `BackendError`."""
        ...


@dataclass(frozen=True, slots=True)
class TracePlan:
    """How much is asked for one service and one window: ``traces`` at most, fewer where they are so large that they
    would have more than ``spans``. What is not there after ``within_s`` is done without.
    """

    traces: int = 100
    spans: int = 4_000
    within_s: float = 6.0


async def sampled_spans(search: TraceSearch, window: Window, alerting: Sequence[str], plan: TracePlan) -> pa.Table:
    """Spans of the window: whole traces but for what lies outside it, a sample where there are many, which the table's
    notes then say. Raises `BackendError` if nothing could be had at all.
    """
    sample = _Sample(search, window, plan)
    try:
        async with asyncio.timeout(plan.within_s):
            services = await search.focus(window, alerting)
            await asyncio.gather(*(sample.take(service) for service in services[:FOCUS]))
    except TimeoutError:
        sample.failures.append(BackendError(f"{search.name} did not answer within {plan.within_s:g} s"))
    return sample.table()


@dataclass(slots=True)
class _Sample:
    """What was had of one window so far, by service and by the place of the question in the plan."""

    search: TraceSearch
    window: Window
    plan: TracePlan
    kept: dict[str, dict[int, Found]] = field(default_factory=dict[str, dict[int, Found]])
    chosen: bool = False
    failures: list[BackendError] = field(default_factory=list[BackendError])

    async def take(self, service: str) -> None:
        """Ask for traces through a service: all if there are few, else typical and worst ones."""
        self.kept[service] = {}
        everything = Asked(service, self.window, FIRST)
        first = await self._keep(0, everything)
        if first is None or first.traces < FIRST:
            return
        most = self._most(first)
        if not await self._everything(replace(everything, limit=most)):
            await self._worst(service)

    def table(self) -> pa.Table:
        """The spans, with notes where they are not all. Raises `BackendError` if there was no answer at all."""
        found = [kept[place] for kept in self.kept.values() for place in sorted(kept)]
        if self.failures and not found:
            raise self.failures[0]
        spans = within(distinct([one.spans for one in found]), self.window)
        return with_notes(spans, list(self._notes(spans)))

    def _notes(self, spans: pa.Table) -> Iterator[str]:
        if self.chosen:
            traces: Any = spans.column("trace_id")
            yield f"a sample of {len(traces.unique()):,} traces, typical and worst"
        if self.failures:
            yield f"some questions were not answered: {self.failures[0]}"

    def _most(self, first: Found) -> int:
        """How many traces may be asked for, as large as they are."""
        fitting = self.plan.spans * first.traces // max(first.spans.num_rows, 1)
        return max(min(FEWEST, self.plan.traces), min(fitting, self.plan.traces))

    async def _everything(self, asked: Asked) -> bool:
        """Ask for slices, and for the whole window where they held so little that it can be had: whether it was."""
        slices = slices_of(self.window)
        each = -(-asked.limit // len(slices))
        questions = (self._keep(n, replace(asked, window=s, limit=each)) for n, s in enumerate(slices, 1))
        answers = [found for found in await asyncio.gather(*questions) if found is not None]
        if all(one.traces < each for one in answers) and sum(one.traces for one in answers) < asked.limit:
            whole = await self._ask(asked)
            if whole is not None and whole.traces < asked.limit:
                self.kept[asked.service] = {0: whole}
                return True
        self.chosen = True
        if answers:
            del self.kept[asked.service][0]  # the newest, or any: not typical
        return False

    async def _worst(self, service: str) -> None:
        """A few traces that failed, and a few that were slower than all typical ones."""
        typical = distinct([found.spans for found in self.kept[service].values()])
        longer_us = _longest_us(typical, service) + 1
        few = [Asked(service, each, WORST) for each in slices_of(self.window)[::2]]
        asked = [*(replace(one, failed=True) for one in few), *(replace(one, at_least_us=longer_us) for one in few)]
        await asyncio.gather(*(self._keep(SLICES + place, one) for place, one in enumerate(asked, 1)))

    async def _keep(self, place: int, asked: Asked) -> Found | None:
        found = await self._ask(asked)
        if found is not None:
            self.kept[asked.service][place] = found
        return found

    async def _ask(self, asked: Asked) -> Found | None:
        try:
            return await self.search.search(asked)
        except BackendError as error:
            self.failures.append(error)
            return None


def slices_of(window: Window) -> list[Window]:
    """Minutes of the window, evenly spread; half of it in as many pieces where it holds hardly two."""
    spaced = min(SLICES, window.length // SPACING)
    count = spaced if spaced > 1 else SLICES
    step = window.length / count
    length = min(SLICE, step / 2)
    starts = [window.start + step * (number + 0.5) - length / 2 for number in range(count)]
    return [Window(start, start + length) for start in starts]


def _longest_us(spans: Any, service: str) -> int:
    """The longest span of a service, "" for of all."""
    durations = np.asarray(spans.column("duration_us"))
    there = np.asarray(spans.column("service")) == service if service else np.ones(len(durations), bool)
    return int(durations[there].max(initial=0))
