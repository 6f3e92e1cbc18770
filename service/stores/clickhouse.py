"""ClickHouse with the tables of the OpenTelemetry exporter: logs and spans of a window, over its HTTP interface.

No setting of a query is sent: a user who may only read may change none. Limit what one costs in the user's profile.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from typing import Annotated, Any, Final, Generic, TypeVar

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from service.domain.window import Window
from service.errors import CaseError, SettingsError
from service.ports import LOGS, SPANS
from service.stores.aside import read
from service.stores.backend import Backend
from service.stores.callees import Callee, callee_of
from service.stores.clickhouse_sql import LOG_COLUMNS, LOUD, OURS, SPAN_COLUMNS, moments, select
from service.stores.columns import conform, first_line
from service.stores.log_sample import Counted, LogPlan, Page, Part, Stretch, sampled_logs
from service.stores.partial import ANY, TRACES, with_notes, with_queries

T = TypeVar("T", bound=tuple[Any, ...])
C = TypeVar("C", bound="LogColumns | SpanColumns")

MOST_SPANS: Final = 50_000
"""Spans of one answer, about 15 MB: of more, whole traces are left out by their id, half of them, three quarters, …"""
_NAME = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class Tables:
    """What the exporter was told to call them. Raises `SettingsError` for what is no such name."""

    database: str = "default"
    logs: str = "otel_logs"
    traces: str = "otel_traces"

    def __post_init__(self) -> None:
        for name in (self.database, self.logs, self.traces):
            if not _NAME.fullmatch(name):
                raise SettingsError(f"clickhouse: {name!r:.80} is no name of a database or a table")


class ClickHouse:
    """Answers for logs and traces; its database, if it is not the user's own, is one of ``tables``."""

    def __init__(
        self, backend: Backend, tables: Tables | None = None, plan: LogPlan | None = None, most_spans: int = MOST_SPANS
    ) -> None:
        self._backend = backend
        self._plan = plan
        self._most_spans = most_spans
        self._tables = tables or Tables()
        self._coarse: bool | None = None

    @property
    def name(self) -> str:
        """What people call it."""
        return self._backend.name

    async def logs(self, window: Window) -> pa.Table:
        """Records of the window, a sample of them where they are many. Raises `BackendError`."""
        return await sampled_logs(self, window, self._backend.patience_s, self._plan)

    async def spans(self, window: Window, alerting: Sequence[str] = (), traces: Sequence[str] = ()) -> pa.Table:
        """Spans of the window, of a part of the traces where they are many, whoever alerts. Raises `BackendError`."""
        inside = f"{moments(Stretch.of(window), coarse=False)} AND {OURS}"
        table_name = self._tables.traces
        count = self._single(await self._told(tuple[int], select("count()", table_name, inside)))[0]
        if not count:
            return SPANS.empty_table()
        parts = 1 if count <= self._most_spans else 2 ** math.ceil(math.log2(count / self._most_spans))
        part = f" AND cityHash64(TraceId) % {parts} = 0" if parts > 1 else ""
        # A part of the traces is about that part of the spans, unless one trace has most of them: hence the limit.
        query = select(SPAN_COLUMNS, table_name, f"{inside}{part} LIMIT {2 * self._most_spans}")
        table: Any = await self._table(query, SpanColumns, SPANS)
        told = [f"about {table.num_rows:,} of {count:,} spans looked at, by traces"] if parts > 1 else []
        found = with_notes(table.sort_by("start"), told, {TRACES: 1 / parts} if parts > 1 else None)
        return with_queries(found, {ANY: select("*", table_name, f"{inside}{part}")})

    async def found(self) -> str:
        """What answers there, in one line. Raises `BackendError`."""
        now = datetime.now(UTC)
        hour = moments(Stretch.of(Window(now - timedelta(hours=1), now)), coarse=False)
        parts = [f"{self.name} {self._backend.access.shown}"]
        for table in (self._tables.logs, self._tables.traces):
            query = select("count(), count(DISTINCT ServiceName)", table, hour)
            rows, services = self._single(await self._told(tuple[int, int], query))
            parts.append(f"{rows:,} rows of {services} services in the last hour in {table}")
        return f"{parts[0]}: {', '.join(parts[1:])}"

    async def count(self, stretch: Stretch) -> Counted:
        """How many records there are, and how many of them tell of trouble."""
        query = select(f"count(), countIf({LOUD})", self._tables.logs, await self._in(stretch))
        return Counted(*self._single(await self._told(tuple[int, int], query)))

    async def page(self, stretch: Stretch, part: Part, limit: int) -> Page:
        """The first records of a stretch."""
        which = {Part.ALL: "", Part.LOUD: f" AND {LOUD}", Part.QUIET: f" AND NOT {LOUD}"}[part]
        where = f"{await self._in(stretch)}{which} ORDER BY Timestamp LIMIT {limit}"
        rows = await self._table(select(LOG_COLUMNS, self._tables.logs, where), LogColumns, LOGS)
        return Page(rows, query=select("*", self._tables.logs, where))

    async def _in(self, stretch: Stretch) -> str:
        """Records of a stretch. The exporter's newer table is sorted by a second time that is coarser."""
        if self._coarse is None:
            ours = f"database = currentDatabase() AND \"table\" = '{self._tables.logs}'"
            columns = await self._told(tuple[str], select("name", "system.columns", ours))
            self._coarse = ("TimestampTime",) in columns
        return f"{moments(stretch, coarse=self._coarse)} AND {OURS}"

    async def _told(self, row: type[T], query: str) -> list[T]:
        """A small answer."""
        return self._backend.parsed(_Rows[row], await self._ask(f"{query} FORMAT JSONCompact")).data

    def _single(self, rows: list[T]) -> T:
        if len(rows) != 1:
            raise self._backend.failure(f"counts in {len(rows)} rows")
        return rows[0]

    async def _table(self, query: str, columns: type[C], schema: pa.Schema) -> pa.Table:
        """A large answer. It comes as JSON: Arrow's own format, of a server that lies, takes the process down."""
        body = await self._ask(f"{query} FORMAT JSONColumns")
        return await read(partial(self._read, columns, schema), body)

    def _read(self, columns: type[C], schema: pa.Schema, body: bytes) -> pa.Table:
        told = self._backend.parsed(columns, body)
        kinds: Any = zip(schema.names, schema.types, strict=True)
        arrays: list[Any] = [pa.array(getattr(told, name), kind) for name, kind in kinds]
        try:
            return conform(pa.table(arrays, names=schema.names), schema, "the answer")
        except (pa.ArrowException, CaseError) as error:
            raise self._backend.failure(f"answers with what is no such table: {first_line(error)}") from None

    async def _ask(self, query: str) -> bytes:
        """Whole answers alone: else an error could come after the first rows, with a status that says all is well."""
        asked = {"database": self._tables.database, "wait_end_of_query": "1"}
        return await self._backend.ask("POST", "/", params=asked, data=query.encode()) or b""


Number = Annotated[int, Field(ge=0, lt=2**62)]
"""Microseconds; older servers write numbers that are so large as text."""


class _Told(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class LogColumns(_Told):
    """An answer about logs, in columns."""

    time: list[Number]
    service: list[str]
    pod: list[str]
    node: list[str]
    severity: list[str]
    body: list[str]
    trace_id: list[str]
    span_id: list[str]


class SpanColumns(_Told):
    """An answer about spans, in columns."""

    trace_id: list[str]
    span_id: list[str]
    parent_span_id: list[str]
    service: list[str]
    pod: list[str]
    node: list[str]
    operation: list[str]
    kind: list[str]
    start: list[Number]
    duration_us: list[Number]
    status: list[str]
    attributes: list[dict[str, str]]
    linked_trace_id: list[str]
    linked_span_id: list[str]

    @property
    def peer(self) -> list[str]:
        """Whom each speaks to."""
        return [name for name, _ in self._callees]

    @property
    def peer_role(self) -> list[str]:
        """What they are."""
        return [role for _, role in self._callees]

    @cached_property
    def _callees(self) -> list[Callee]:
        return [callee_of(kind, told) for kind, told in zip(self.kind, self.attributes, strict=False)]


class _Rows(_Told, Generic[T]):
    """An answer as JSON, a row a list; whole numbers may come as text."""

    data: list[T]
