"""VictoriaLogs: log records of a window (LogsQL)."""

import json
from datetime import timedelta
from functools import partial

import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from service.domain.window import Window
from service.stores.aside import aside, read
from service.stores.backend import Backend
from service.stores.embedded.decoded import EPOCH
from service.stores.log_fields import LOUD_LEVEL, LOUD_TEXT, UNKNOWN_LEVEL, USUAL, LogFields, LogRows
from service.stores.log_sample import Counted, LogPlan, Page, Part, Stretch, of_last_hour, sampled_logs
from service.stores.log_times import microseconds_of, nanosecond_text

_ROW = TypeAdapter(dict[str, str])

MESSAGE = "_msg"
NO_MESSAGE = "missing _msg field"
"""How the text begins that stands for the message of a record which came without one: other fields may hold it."""


class VictoriaLogs:
    """Answers for logs. ``query`` says which records are ours (``{namespace="shop"}``), all where it is empty."""

    def __init__(
        self, backend: Backend, query: str = "", fields: LogFields = USUAL, plan: LogPlan | None = None
    ) -> None:
        self._backend = backend
        self._query = query.strip()
        self._fields = fields
        self._plan = plan

    @property
    def name(self) -> str:
        """What people call it."""
        return self._backend.name

    async def logs(self, window: Window) -> pa.Table:
        """Records of the window, a sample of them where they are many. Raises `BackendError`."""
        return await sampled_logs(self, window, self._backend.patience_s, self._plan)

    async def found(self) -> str:
        """What answers there, in one line. Raises `BackendError`."""
        return f"{self.name} {self._backend.access.shown}: {await of_last_hour(self):,} records in the last hour"

    async def count(self, stretch: Stretch) -> Counted:
        """How many records there are, and how many of them tell of trouble."""
        query = f"{self._in(stretch)} | stats count() lines, count() if ({_loud(self._fields)}) loud"
        rows = await self._rows(query)
        if len(rows) != 1:
            raise self._backend.failure(f"counts in {len(rows)} rows")
        try:
            return Counted(int(rows[0]["lines"]), int(rows[0]["loud"]))
        except (KeyError, ValueError):
            raise self._backend.failure("does not tell how many records it has") from None

    async def page(self, stretch: Stretch, part: Part, limit: int) -> Page:
        """The first records of a stretch: without the sorting it would give any."""
        loud = _loud(self._fields)
        which = {Part.ALL: "", Part.LOUD: f" ({loud})", Part.QUIET: f" !({loud})"}[part]
        wanted = ", ".join(json.dumps(name) for name in ("_time", *self._fields.every()))
        rows = await self._rows(f"{self._in(stretch)}{which} | sort by (_time) limit {limit} | fields {wanted}")
        return await aside(partial(self._page, rows, f"{self._query or '*'}{which}"))

    def _page(self, rows: list[dict[str, str]], query: str) -> Page:
        table = LogRows(self._fields)
        for row in rows:
            at_us = microseconds_of(row.get("_time", ""))
            if at_us is None:
                raise self._backend.failure("answers with a record without its time")
            if row.get(MESSAGE, "").startswith(NO_MESSAGE):
                del row[MESSAGE]
            table.add(at_us, row)
        return Page(table.table(), query=query)

    def _in(self, stretch: Stretch) -> str:
        start = EPOCH + timedelta(microseconds=stretch.start_us)
        end = EPOCH + timedelta(microseconds=stretch.end_us)
        ours = f" ({self._query})" if self._query else ""
        return f"_time:[{nanosecond_text(start)}, {nanosecond_text(end, last=True)}]{ours}"

    async def _rows(self, query: str) -> list[dict[str, str]]:
        """The records of an answer."""
        body = await self._backend.ask("POST", "/select/logsql/query", data={"query": query})
        return await read(self._read, body or b"")

    def _read(self, body: bytes) -> list[dict[str, str]]:
        """A record in JSON a line. An answer that was broken off ends within one."""
        try:
            return [_ROW.validate_json(line) for line in body.splitlines() if line.strip()]
        except ValidationError:
            raise self._backend.failure("answers with something that is not a record in JSON a line") from None


def _loud(fields: LogFields) -> str:
    """Records that tell of trouble: by their level, or where there is none by what they say."""
    level, silent, text = (json.dumps(it) for it in (f"^({LOUD_LEVEL})$", f"^(?i:({UNKNOWN_LEVEL})?)$", LOUD_TEXT))
    by_level = " or ".join(f"{json.dumps(name)}:~{level}" for name in fields.severity)
    untold = " ".join(f"{json.dumps(name)}:~{silent}" for name in fields.severity)
    by_text = " or ".join(f"{json.dumps(name)}:~{text}" for name in fields.body)
    return f"{by_level} or (({by_text}) {untold})"
