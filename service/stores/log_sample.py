"""A bounded sample of a backend's logs that keeps what matters: lines that tell of trouble whole, as far as they fit,
and of the rest what was written in moments spread evenly over the window. The number of questions and of lines is the
same whatever the number of services; what was left out is counted and said.

A window costs a count, at most eight questions for trouble and eight for the rest: 40,000 lines (`LogPlan`). One of few
lines costs the count and one question.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from service.domain.evidence import TROUBLE
from service.domain.window import Window
from service.errors import BackendError
from service.ports import LOGS
from service.stores.embedded.decoded import microseconds
from service.stores.partial import ANY, with_notes, with_queries

FILL: Final = 0.8
"""How full a page should be: lines are not spread evenly."""
LOUD_PATIENCE: Final = 0.7
"""The part of the time after which lines of trouble are not waited for, or there would be no others."""
SHORTER: Final = 4
"""How many times the questions become more where a backend gives pages shorter than those asked for."""
COUNT_PATIENCE: Final = 0.4
"""The part of the time after which the lines are asked for without their number."""


@dataclass(frozen=True, slots=True)
class LogPlan:
    """How much is asked for one window. Of lines that tell of trouble ``stretches`` of the window side by side, of each
    up to ``pages`` one after the other, a ``page`` of lines each; of the rest ``moments``, of each a
    ``moment_page`` of lines. A Loki gives no longer page than five thousand unless it is told to.
    """

    page: int = 5_000
    stretches: int = 4
    pages: int = 2
    moments: int = 8
    moment_page: int = 2_500


class Part(StrEnum):
    """Which lines are asked for."""

    ALL = "all"
    LOUD = "loud"
    QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of time in whole microseconds since 1970, both ends part of it."""

    start_us: int
    end_us: int

    @classmethod
    def of(cls, window: Window) -> "Stretch":
        """A window as that."""
        return cls(microseconds(window.start), microseconds(window.end))

    @property
    def length_us(self) -> int:
        """How many microseconds."""
        return self.end_us - self.start_us + 1

    def cut(self, count: int, share: float = 1.0) -> "list[Stretch]":
        """So many stretches of the same length, one after the other; of each the middle, as much as ``share`` says."""
        inner = (_whole_ms(self.start_us + self.length_us * n // count) for n in range(1, count))
        edges = [self.start_us, *(edge for edge in inner if edge > self.start_us), self.end_us + 1]
        wholes = [Stretch(start, end - 1) for start, end in pairwise(edges) if end > start]
        return wholes if share >= 1.0 else [whole._middle(share) for whole in wholes]

    def _middle(self, share: float) -> "Stretch":
        length = max(1, math.floor(self.length_us * share))
        start = self.start_us + (self.length_us - length) // 2
        return Stretch(start, start + length - 1)


@dataclass(frozen=True, slots=True)
class Counted:
    """How many lines there are in a stretch of time, and how many of them tell of trouble; ``notes`` as of a `Page`."""

    lines: int
    loud: int
    notes: tuple[str, ...] = ()

    @property
    def quiet(self) -> int:
        """How many do not."""
        return max(0, self.lines - self.loud)


@dataclass(frozen=True, slots=True)
class Page:
    """The first lines of a stretch in the order of time (`LOGS`); ``notes`` where the backend itself says that it did
    not look everywhere; ``query`` is how a person would ask the same, the time aside; ``more`` where there may be
    more lines after these, although they are fewer than were asked for.
    """

    rows: pa.Table
    notes: tuple[str, ...] = ()
    query: str = ""
    more: bool = False


class LogSource(Protocol):
    """A backend as it is asked for a sample. Both calls raise `BackendError`."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    async def count(self, stretch: Stretch) -> Counted:
        """How many lines there are."""
        ...

    async def page(self, stretch: Stretch, part: Part, limit: int) -> Page:
        """The first ``limit`` lines of a stretch, or fewer where the backend gives no more at once."""
        ...


async def of_last_hour(source: LogSource) -> int:
    """How many lines there are of the last hour. Raises `BackendError`."""
    now = datetime.now(UTC)
    return (await source.count(Stretch.of(Window(now - timedelta(hours=1), now)))).lines


async def sampled_logs(source: LogSource, window: Window, patience_s: float, plan: LogPlan | None = None) -> pa.Table:
    """The lines of a window, by time, with notes of what is missing (`service.stores.partial`).

    Raises `BackendError` if no question was answered.
    """
    plan = plan or LogPlan()
    ends_at_s = asyncio.get_running_loop().time() + patience_s
    whole = Stretch.of(window)
    sample = _Sample(source, plan)
    counted = await sample.count(whole, patience_s)
    if counted is not None and counted.lines <= plan.page:
        page = await source.page(whole, Part.ALL, plan.page) if counted.lines else Page(LOGS.empty_table())
        if not page.more or page.rows.num_rows >= counted.lines:
            told = with_notes(page.rows, tuple(dict.fromkeys((*counted.notes, *page.notes))))
            return with_queries(told, {ANY: page.query})
    await sample.take(whole, counted, ends_at_s)
    return sample.table(counted)


@dataclass(slots=True)
class _Sample:
    source: LogSource
    plan: LogPlan
    pages: dict[Part, list[pa.Table]] = field(default_factory=dict[Part, list[pa.Table]])
    notes: dict[str, None] = field(default_factory=dict[str, None])
    queries: dict[Part, str] = field(default_factory=dict[Part, str])
    failed: list[BackendError] = field(default_factory=list[BackendError])
    asked: int = 0
    answered: int = 0
    late: int = 0
    uncounted: BackendError | None = None

    async def count(self, whole: Stretch, patience_s: float) -> Counted | None:
        """The number of lines; None where it takes too long, or is refused, which must not cost the lines."""
        try:
            async with asyncio.timeout(patience_s * COUNT_PATIENCE):
                counted = await self.source.count(whole)
        except TimeoutError:
            return None
        except BackendError as error:
            self.uncounted = error
            return None
        self.notes |= dict.fromkeys(counted.notes)
        return counted

    async def take(self, whole: Stretch, counted: Counted | None, ends_at_s: float) -> None:
        """Ask for lines of trouble, for those that failed again, before the rest and after it. What has not come in
        time is not waited for.
        """
        loud, quiet = (None, None) if counted is None else (counted.loud, counted.quiet)
        share = 1.0 if not quiet else min(1.0, FILL * self.plan.moments * self.plan.moment_page / quiet)
        most = self.plan.stretches
        pages = most if loud is None else min(most, math.ceil(loud / (self.plan.page * FILL)))
        of_trouble: list[_Ask] = [lambda s=stretch: self._whole(s) for stretch in whole.cut(pages)] if pages else []
        others = whole.cut(self.plan.moments, share) if quiet != 0 else []
        self.asked = len(of_trouble) + len(others)
        now_s = asyncio.get_running_loop().time()
        first_ends_at_s = now_s + (LOUD_PATIENCE if others else 1.0) * (ends_at_s - now_s)
        failed = await self._round(of_trouble, first_ends_at_s)
        if failed and self.uncounted is not None and not self.answered:
            raise self.uncounted  # nothing was answered so far: it will not be better
        failed = await self._round(failed, first_ends_at_s)
        await self._round([lambda s=stretch: self._moment(s) for stretch in others], ends_at_s, last=True)
        await self._round(failed, ends_at_s, last=True)  # whoever was too busy for them may have time now

    async def _round(self, asks: "Sequence[_Ask]", ends_at_s: float, *, last: bool = False) -> "list[_Ask]":
        """Ask for all of these at once. Those that failed, which count as that if it was the ``last`` time."""
        if not asks:
            return []
        tasks = [asyncio.ensure_future(ask()) for ask in asks]
        await _wait(tasks, ends_at_s - asyncio.get_running_loop().time())
        failed: list[_Ask] = []
        for ask, task in zip(asks, tasks, strict=True):
            if task.cancelled():
                self.late += 1
            elif isinstance(error := task.exception(), BackendError):
                failed.append(ask)
                self.failed += [error] if last else []
            elif error is not None:
                raise error
            else:
                self.answered += 1
        return failed

    async def _whole(self, stretch: Stretch) -> None:
        """Every line of trouble, from page to page: more of them where they are shorter than they should be."""
        taken = 0
        for _ in range(self.plan.pages * SHORTER):
            if taken >= self.plan.pages * self.plan.page:
                return
            page = await self._page(stretch, Part.LOUD, self.plan.page)
            rows = page.rows
            taken += rows.num_rows
            if not rows.num_rows or (rows.num_rows < self.plan.page and not page.more):
                self._keep(Part.LOUD, rows)
                return
            times_us = _times_us(rows)
            last_us = int(times_us[-1])
            sure = rows.filter(pa.array(times_us < last_us))  # of the last moment there may be more
            self._keep(Part.LOUD, sure if sure.num_rows else rows)
            stretch = Stretch(last_us if sure.num_rows else _whole_ms(last_us) + 1000, stretch.end_us)
            if stretch.length_us < 1:
                return

    async def _moment(self, stretch: Stretch) -> None:
        self._keep(Part.QUIET, (await self._page(stretch, Part.QUIET, self.plan.moment_page)).rows)

    async def _page(self, stretch: Stretch, part: Part, limit: int) -> Page:
        page = await self.source.page(stretch, part, limit)
        self.notes |= dict.fromkeys(page.notes)
        self.queries[part] = page.query
        return page

    def _keep(self, part: Part, rows: pa.Table) -> None:
        self.pages.setdefault(part, []).append(rows)

    def table(self, counted: Counted | None) -> pa.Table:
        """What came, and what is said of what did not."""
        if self.failed and len(self.failed) == self.asked:
            raise self.failed[0]
        if self.late and self.late + len(self.failed) == self.asked:
            raise BackendError(f"{self.source.name} gave no line in time")
        rows = {part: pa.concat_tables([LOGS.empty_table(), *self.pages.get(part, [])]) for part in Part}
        together: Any = pa.concat_tables([rows[Part.LOUD], rows[Part.QUIET]])
        table: pa.Table = together.sort_by("time")
        shares = {} if counted is None else _shares(counted, rows)
        told = with_notes(table, [*self._missing(counted, rows, shares), *self.notes], shares)
        loud = self.queries.get(Part.LOUD, "")
        return with_queries(told, {ANY: self.queries.get(Part.QUIET, loud), **dict.fromkeys(TROUBLE, loud)})

    def _missing(self, counted: Counted | None, rows: dict[Part, pa.Table], shares: dict[str, float]) -> Sequence[str]:
        found = {part: table.num_rows for part, table in rows.items()}
        notes: list[str] = []
        if counted is None:
            there = found[Part.LOUD] + found[Part.QUIET]
            why = "too many lines to be counted in time" if self.uncounted is None else f"not counted: {self.uncounted}"
            notes.append(f"{why}; {there:,} of them looked at")
        elif any(share < 1.0 for share in shares.values()):
            loud, quiet = f"{found[Part.LOUD]:,} of {counted.loud:,}", f"{found[Part.QUIET]:,} of {counted.quiet:,}"
            notes.append(f"{loud} lines of warnings and errors looked at, {quiet} others")
        if self.failed:
            notes.append(f"{len(self.failed)} of {self.asked} questions failed: {self.failed[0]}")
        if self.late:
            notes.append(f"{self.late} of {self.asked} questions were not answered in time")
        return notes


_Ask = Callable[[], Awaitable[None]]


def _whole_ms(moment_us: int) -> int:
    """Some backends know milliseconds alone: between them nothing may be cut."""
    return moment_us // 1000 * 1000


async def _wait(tasks: "Sequence[asyncio.Future[None]]", seconds: float) -> None:
    """Until all are done or the time is over; none of them goes on after that, nor after we are told to stop."""
    try:
        await asyncio.wait(tasks, timeout=max(0.0, seconds))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _shares(counted: Counted, rows: dict[Part, pa.Table]) -> dict[str, float]:
    there = {Part.LOUD: counted.loud, Part.QUIET: counted.quiet}
    return {part: min(1.0, rows[part].num_rows / count) for part, count in there.items() if count}


def _times_us(table: pa.Table) -> npt.NDArray[np.int64]:
    column: Any = table.column("time")
    return column.cast(pa.int64()).to_numpy()
