"""The fetch plan for traces: what is asked of a trace server for one window, the same however many services there are.

A server of a busy system has more traces than an incident can look at, and answers a search with the newest or any.
So a window is asked in slices of a minute, spread over it, for a few traces each: typical ones. To these come a few of
those that failed and of the slowest, from the same minutes: so few that they cannot make a share look changed
(`DRIFT_OF_SHARE`), and as many of the baseline as of now. Traces that somebody names (exemplars) take their place.
Slices lie a minute apart or more, so that the time between them counts as not recorded and rates stay true. Where that
finds little, the window is asked for everything; of that, where it is too much, as many are taken as may be asked for,
which the server chooses.
"""

import asyncio
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final, Protocol

import numpy as np
import pyarrow as pa

from service.concurrency import gather
from service.domain import names
from service.domain.window import Window
from service.errors import BackendError
from service.stores.aside import aside
from service.stores.case_tables import within
from service.stores.partial import ANY, with_notes, with_queries
from service.stores.patience import left_s
from service.stores.span_rows import distinct
from service.telemetry import NAME

FOCUS: Final = 3
"""Services of which traces are asked for: those that alert, or where none of them is known those at which traces begin.
Their traces hold whoever calls them and all that they call.
"""
SLICES: Final = 6
SLICE: Final = timedelta(minutes=1)
SPACING: Final = 2 * SLICE
MOST_NAMED: Final = 5
"""Traces that may be named. Each takes the place of a search for slow ones, then for failed ones, of every service: the
questions do not become more, nor the worst traces now than before.
"""
FIRST: Final = 5
"""Traces that are asked for first: they tell how large traces are, and of a service that hardly has any, all."""
FEWEST: Final = 20
"""Traces that are asked for however large they are: fewer tell nothing."""
PATIENCE: Final = 0.75
"""The part of the time that is left after which a sample is as large as it will be: then it is still in time."""
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
    """What a search found: whole traces as `SPANS`, and how many there were; as many as asked for means more. ``query``
    is how a person would ask the same, the time aside.
    """

    spans: pa.Table
    traces: int
    query: str = ""


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

    async def trace(self, trace_id: str, window: Window) -> pa.Table:
        """The spans of one trace of about that time, none if it is not there. Raises `BackendError`."""
        ...


@dataclass(frozen=True, slots=True)
class TracePlan:
    """How much is asked for one service and one window: ``traces`` at most, fewer where they are so large that they
    would have more than ``spans``, which is what bounds bytes. What is not there after ``within_s`` is done without.
    """

    traces: int = 300
    spans: int = 4_000
    within_s: float = 6.0


async def sampled_spans(
    search: TraceSearch, window: Window, alerting: Sequence[str], plan: TracePlan, named: Sequence[str] = ()
) -> pa.Table:
    """Spans of the window: whole traces but for what lies outside it, a sample where there are many, which the table's
    notes then say; among them those of which an id is ``named``. Raises `BackendError` if nothing could be had at all.
    """
    sample = _Sample(search, window, plan, tuple(named[:MOST_NAMED]))
    within_s = min(plan.within_s, PATIENCE * left_s())
    try:
        async with asyncio.timeout(within_s):
            services = await search.focus(window, alerting)
            await gather(*(sample.take(service) for service in services[:FOCUS]), *sample.named_ones())
    except TimeoutError:
        sample.failures.append(BackendError(f"{search.name} did not answer within {round(within_s, 2):g} s"))
    return await aside(sample.table)


@dataclass(slots=True)
class _Sample:
    """What was had of one window so far, by service and by the place of the question in the plan."""

    search: TraceSearch
    window: Window
    plan: TracePlan
    named: tuple[str, ...] = ()
    whole: list[pa.Table] = field(default_factory=list[pa.Table])
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

    def named_ones(self) -> Iterator[Awaitable[None]]:
        """Ask for the traces that are named."""
        return (self._named(trace_id) for trace_id in self.named)

    async def _named(self, trace_id: str) -> None:
        try:
            self.whole.append(await self.search.trace(trace_id, self.window))
        except BackendError as error:
            self.failures.append(error)

    def table(self) -> pa.Table:
        """The spans, with notes where they are not all. Raises `BackendError` if there was no answer at all."""
        found = [kept[place] for kept in self.kept.values() for place in sorted(kept)]
        if self.failures and not found:
            raise self.failures[0]
        spans = within(distinct([*(one.spans for one in found), *self.whole]), self.window)
        return with_queries(with_notes(spans, list(self._notes(spans))), self._queries())

    def _queries(self) -> dict[str, str]:
        """How each service was asked for; whatever else is in the traces came with the first."""
        by_service = {service: kept[min(kept)].query for service, kept in self.kept.items() if kept}
        return {ANY: next(iter(by_service.values()), ""), **by_service}

    def _notes(self, spans: pa.Table) -> Iterator[str]:
        if self.chosen:
            traces: Any = spans.column("trace_id")
            yield f"a sample of {len(traces.unique()):,} traces, typical and worst"
        if self.failures:
            yield f"some questions were not answered: {self.failures[0]}"

    def _most(self, first: Found) -> int:
        """How many traces may be asked for, as large as they are. Not all that were found need have been fetched."""
        traces: Any = first.spans.column("trace_id")
        fitting = self.plan.spans * len(traces.unique()) // max(first.spans.num_rows, 1)
        return max(min(FEWEST, self.plan.traces), min(fitting, self.plan.traces))

    async def _everything(self, asked: Asked) -> bool:
        """Ask for slices, and for the whole window where they held so little that it can be had: whether it was."""
        slices = slices_of(self.window)
        each = -(-asked.limit // len(slices))
        questions = (self._keep(n, replace(asked, window=s, limit=each)) for n, s in enumerate(slices, 1))
        answers = [found for found in await gather(*questions) if found is not None]
        in_slices, whole = sum(one.traces for one in answers), None
        if all(one.traces < each for one in answers) and in_slices < asked.limit:
            whole = await self._ask(asked)
            if whole is not None and whole.traces < asked.limit:
                self.kept[asked.service] = {0: whole}
                return True
        self.chosen = True
        if in_slices >= min(FEWEST, asked.limit):
            del self.kept[asked.service][0]  # the newest, or any: not typical
        elif whole is not None:
            self.kept[asked.service][0] = whole  # what there is lies between the slices, or at one end
        return False

    async def _worst(self, service: str) -> None:
        """A few traces that failed, and a few that were slower than all typical ones."""
        longer_us = max(_longest_us(found.spans, service) for found in self.kept[service].values()) + 1
        few = [Asked(service, each, WORST) for each in slices_of(self.window)[::2]]
        asked = [*(replace(one, failed=True) for one in few), *(replace(one, at_least_us=longer_us) for one in few)]
        left = asked[: len(asked) - len(self.named)]
        await gather(*(self._keep(SLICES + place, one) for place, one in enumerate(left, 1)))

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
    callees = map(str, spans.column("service").to_pylist())
    there = np.array([not service or names.parted(name)[1] == service for name in callees], bool)
    return int(durations[there].max(initial=0))
