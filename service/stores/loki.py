"""Loki: log lines of a window (LogQL)."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from operator import itemgetter
from typing import Annotated, Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from service.domain.window import Window
from service.stores.aside import read
from service.stores.backend import Backend
from service.stores.log_fields import LOUD_LEVEL, LOUD_TEXT, UNKNOWN_LEVEL, USUAL, LogFields, LogRows
from service.stores.log_sample import Counted, LogPlan, Page, Part, Stretch, sampled_logs

_LABELS = USUAL.as_labels()
FIELDS = _LABELS.preferring(service=("service_name",)).followed_by(severity=("detected_level",))
"""Labels and structured metadata, which Loki writes with underscores alone; it reads the last level from the line."""
SAID = "said"
"""The label that says by which word a line tells of trouble."""


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
        self._plan = plan

    async def logs(self, window: Window) -> pa.Table:
        """Records of the window, a sample of them where they are many. Raises `BackendError`."""
        ends_at_s = time.monotonic() + self._backend.patience_s
        selector = self._selector or await self._guessed(Stretch.of(window))
        if not selector:
            return LogRows(self._fields).table()
        streams = _Streams(self._backend, selector, self._fields)
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
        return f"{where}: {len(told.data)} services in the last hour, by label {name}"

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

    def __init__(self, backend: Backend, selector: str, fields: LogFields) -> None:
        self._backend = backend
        self._fields = fields
        self._queries = {part: f"{selector}{_filter(part, fields.severity)}" for part in Part}

    @property
    def name(self) -> str:
        return self._backend.name

    async def count(self, stretch: Stretch) -> Counted:
        """Every line, and those that tell of trouble, side by side."""
        asked = (self._number(Part.ALL, stretch), self._number(Part.LOUD, stretch))
        numbers = await asyncio.gather(*asked, return_exceptions=True)  # or one would go on after the other has failed
        for number in numbers:
            if isinstance(number, BaseException):
                raise number
        lines, loud = (number for number in numbers if isinstance(number, int))
        return Counted(lines, loud)

    async def page(self, stretch: Stretch, part: Part, limit: int) -> Page:
        """The first lines of a stretch."""
        asked = {"query": self._queries[part], **_ends(stretch), "limit": str(limit), "direction": "forward"}
        body = await self._backend.ask("GET", "/loki/api/v1/query_range", params=asked)
        return await read(partial(self._read, part, limit), body or b"")

    def _read(self, part: Part, limit: int, body: bytes) -> Page:
        """Lines come by stream: by time they are put here."""
        told = self._backend.parsed(_Streamed, body)
        lines = [(at_ns, line, stream.stream) for stream in told.data.result for at_ns, line in stream.values]
        rows = LogRows(self._fields)
        for at_ns, line, labels in sorted(lines, key=itemgetter(0))[:limit]:
            rows.add(at_ns // 1000, labels, line)
        return Page(rows.table(), tuple(told.warnings), self._queries[part])

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
