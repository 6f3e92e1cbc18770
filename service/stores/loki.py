"""Loki: log lines of a window (LogQL)."""

import time
from datetime import UTC, datetime, timedelta
from functools import partial
from operator import itemgetter
from typing import Annotated, Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from service.concurrency import gather
from service.domain.window import Window
from service.errors import BackendError
from service.ports import LOGS
from service.stores.aside import read
from service.stores.backend import Backend
from service.stores.embedded.origin import UNKNOWN
from service.stores.log_fields import LOUD_LEVEL, LOUD_TEXT, UNKNOWN_LEVEL, USUAL, LogFields, LogRows
from service.stores.log_sample import Counted, LogPlan, Page, Part, Stretch, sampled_logs
from service.stores.loki_limits import MOST_PIECES, USUAL_LINES, LokiLimits

_LABELS = USUAL.as_labels()
FIELDS = _LABELS.preferring(service=("service_name",)).followed_by(severity=("detected_level",))
"""Labels and structured metadata, which Loki writes with underscores alone; it reads the last level from the line."""
SAID = "said"
"""The label that says by which word a line tells of trouble."""
PLAN = LogPlan(page=USUAL_LINES, stretches=8, moment_page=USUAL_LINES)
"""What a Loki gives at once is bounded in bytes: shorter pages than others give, and more of them."""


class LokiLogs:
    """Answers for logs.

    ``selector`` says which streams are ours (``{namespace="shop"}``); where it is empty, all are that have the first of
    the labels of ``fields.service`` that this Loki knows.
    """

    def __init__(
        self, backend: Backend, selector: str = "", fields: LogFields = FIELDS, plan: LogPlan | None = None
    ) -> None:
        self._backend = backend
        self._selector = selector.strip()
        self._fields = fields.as_labels()
        self._plan = plan or PLAN
        self._limits = LokiLimits()

    async def logs(self, window: Window) -> pa.Table:
        """Records of the window, a sample of them where they are many. Raises `BackendError`."""
        ends_at_s = time.monotonic() + self._backend.patience_s
        selector = self._selector or await self._guessed(Stretch.of(window))
        if not selector:
            return LogRows(self._fields).table()
        streams = _Streams(self._backend, selector, self._fields, self._limits)
        return await sampled_logs(streams, window, ends_at_s - time.monotonic(), self._plan)

    async def found(self) -> str:
        """What answers there, in one line. Raises `BackendError`."""
        now = datetime.now(UTC)
        stretch = Stretch.of(Window(now - timedelta(hours=1), now))
        where = f"{self._backend.name} {self._backend.access.shown}"
        name = await self._label(stretch)
        if not name:
            return f"{where}: no label that names a service in the last hour"
        told = await self._backend.told(_Names, "GET", f"/loki/api/v1/label/{name}/values", params=_ends(stretch))
        services = [service for service in told.data if service != UNKNOWN]
        return f"{where}: {len(services)} services in the last hour, by label {name}"

    async def _guessed(self, stretch: Stretch) -> str:
        name = await self._label(stretch)
        return f'{{{name}=~".+"}}' if name else ""

    async def _label(self, stretch: Stretch) -> str:
        """The label that names services; "" where none does."""
        told = await self._backend.told(_Names, "GET", "/loki/api/v1/labels", params=_ends(stretch))
        there = set(told.data)
        return next((name for name in self._fields.service if name in there), "")


class _Streams:
    """Streams of a Loki, as a source of samples."""

    def __init__(self, backend: Backend, selector: str, fields: LogFields, limits: LokiLimits) -> None:
        self._backend = backend
        self._fields = fields
        self._limits = limits
        self._queries = {part: f"{selector}{_filter(part, fields.severity)}" for part in Part}

    @property
    def name(self) -> str:
        return self._backend.name

    async def count(self, stretch: Stretch) -> Counted:
        """Every line, and those that tell of trouble, side by side."""
        pieces = self._limits.pieces(stretch)[:MOST_PIECES]
        try:
            numbers = await gather(*(self._number(part, one) for part in (Part.ALL, Part.LOUD) for one in pieces))
        except BackendError as error:
            if not self._limits.learn(error, pieces[0]):
                raise
            return await self.count(stretch)
        return Counted(sum(numbers[: len(pieces)]), sum(numbers[len(pieces) :]), self._left_out(stretch))

    async def page(self, stretch: Stretch, part: Part, limit: int) -> Page:
        """The first lines of a stretch, piece by piece where it is too long for one question."""
        pieces, found, more, warnings = self._limits.pieces(stretch), [LOGS.empty_table()], False, dict[str, None]()
        for piece in pieces[:MOST_PIECES]:
            ask, wanted = partial(self._asked, piece, part), limit - sum(table.num_rows for table in found)
            try:
                page = await self._limits.page(ask, wanted, self._backend.patience_s)
            except BackendError as error:
                if not self._limits.learn(error, piece):
                    raise
                return await self.page(stretch, part, limit)
            found.append(page.rows)
            warnings |= dict.fromkeys(page.notes)
            if more := page.more:
                break
        notes = (*warnings, *self._left_out(stretch))
        return Page(pa.concat_tables(found), notes, self._queries[part], more)

    def _left_out(self, stretch: Stretch) -> tuple[str, ...]:
        """What is not looked at because so many pieces would be too many questions."""
        count = len(self._limits.pieces(stretch))
        if count <= MOST_PIECES:
            return ()
        minutes = self._limits.longest_us * MOST_PIECES / 60e6
        return (f"only the first {minutes:.0f} min looked at: the server answers for no longer time at once",)

    async def _asked(self, stretch: Stretch, part: Part, limit: int) -> Page:
        parameters = {
            "query": self._queries[part],
            **_ends(stretch),
            "limit": str(limit),
            "direction": "forward",
        }
        body = await self._backend.ask("GET", "/loki/api/v1/query_range", params=parameters)
        return await read(partial(self._read, part, limit), body or b"")

    def _read(self, part: Part, limit: int, body: bytes) -> Page:
        """Lines come by stream: by time they are put here."""
        told = self._backend.parsed(_Streamed, body)
        lines = [(at_ns, line, stream.stream) for stream in told.data.result for at_ns, line in stream.values]
        rows = LogRows(self._fields)
        for at_ns, line, labels in sorted(lines, key=itemgetter(0))[:limit]:
            rows.add(at_ns // 1000, labels, line)
        return Page(rows.table(), tuple(told.warnings), more=len(lines) >= limit)

    async def _number(self, part: Part, stretch: Stretch) -> int:
        seconds = -(-stretch.length_us // 1_000_000)
        query = f"sum(count_over_time({self._queries[part]}[{seconds}s]))"
        asked = {"query": query, "time": str(stretch.end_us * 1000 + 999)}
        told = await self._backend.told(_Numbered, "GET", "/loki/api/v1/query", params=asked)
        return sum(round(one.value[1]) for one in told.data.result)


def _filter(part: Part, levels: tuple[str, ...]) -> str:
    """What follows the selector. LogQL has no "not": what is quiet is said the other way round."""
    if part is Part.ALL:
        return ""
    silent, said = f"(?i:{UNKNOWN_LEVEL})?", f" | regexp `(?P<{SAID}>{LOUD_TEXT})`"
    if part is Part.LOUD:
        by_level = " or ".join(f"{level}=~`{LOUD_LEVEL}`" for level in levels)
        untold = " and ".join(f"{level}=~`{silent}`" for level in levels)
        return f'{said} | {by_level} or ({SAID}!="" and {untold})'
    by_level = " and ".join(f"{level}!~`{LOUD_LEVEL}`" for level in levels)
    some_told = " or ".join(f"{level}!~`{silent}`" for level in levels)
    return f'{said} | {by_level} and ({SAID}="" or {some_told})'


def _ends(stretch: Stretch) -> dict[str, str]:
    """Nanoseconds; the end is not part of the answer."""
    return {"start": str(stretch.start_us * 1000), "end": str((stretch.end_us + 1) * 1000)}


class _Told(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Answer(_Told):
    status: Literal["success"]
    warnings: list[str] = []


class _Names(_Answer):
    data: list[str] = []


class _Stream(_Told):
    stream: dict[str, str]
    values: list[tuple[Annotated[int, Field(ge=0, lt=2**63)], str]]


class _Result(_Told):
    result: list[_Stream]


class _Streamed(_Answer):
    data: _Result


class _Number(_Told):
    value: tuple[float, Annotated[float, Field(allow_inf_nan=False, ge=0)]]


class _Vector(_Told):
    result: list[_Number]


class _Numbered(_Answer):
    data: _Vector
