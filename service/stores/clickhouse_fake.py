"""A server that speaks ClickHouse's HTTP interface and knows the rows of tables, as the OpenTelemetry exporter would
have written them: beside the real adapter, for tests. SQLite reads the queries, with those functions of ClickHouse that
the adapter asks for; what SQLite does not understand is refused.
"""

import json
import re
import sqlite3
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from service.ports import LOGS, SPANS
from service.stores.embedded.decoded import microseconds
from service.stores.embedded.logs import SEVERITIES
from service.stores.fake_traces import span_attributes

LOG_TABLE = (
    "Timestamp TimestampTime TraceId SpanId SeverityText SeverityNumber ServiceName Body ResourceAttributes".split()
)
SPAN_TABLE = (
    "Timestamp TraceId SpanId ParentSpanId SpanName SpanKind ServiceName ResourceAttributes Duration StatusCode "
    "SpanAttributes Links.TraceId Links.SpanId"
).split()

_LITERAL = re.compile(r"'((?:[^'\\]|\\.)*)'")
_FILTERED = re.compile(r"mapFilter\(\(k, v\) -> k IN \(([^)]*)\), (\w+)\)")
_MAPS = ("attributes",)
_FORMAT = re.compile(r"(?P<query>.*) FORMAT (?P<format>JSONCompact|JSONColumns)", re.DOTALL)


@dataclass(slots=True)
class FakeClickHouse:
    """Rows by the exporter's rules: times in nanoseconds, ids in hexadecimal, what sent them in a map. With
    ``long_names`` as its older versions had it: of kinds and statuses, and no second time.
    """

    logs: pa.Table | None = None
    spans: pa.Table | None = None
    long_names: bool = False

    def app(self) -> Starlette:
        """The ASGI application."""
        database = self._database()

        async def query(request: Request) -> Response:
            if request.query_params.get("database", "default") != "default":
                return PlainTextResponse("Code: 81. DB::Exception: Database does not exist. (UNKNOWN_DATABASE)", 404)
            try:
                return _answer(database, (await request.body()).decode())
            except (sqlite3.Error, ValueError) as error:
                return PlainTextResponse(f"Code: 62. DB::Exception: Syntax error: {error}. (SYNTAX_ERROR)", 400)

        return Starlette(routes=[Route("/", query, methods=["POST"])])

    def _database(self) -> sqlite3.Connection:
        database = sqlite3.connect(":memory:", check_same_thread=False)
        for name, arguments, function in _FUNCTIONS:
            database.create_function(name, arguments, function, deterministic=True)
        database.execute("ATTACH ':memory:' AS system")
        database.execute('CREATE TABLE system.columns (database, "table", name)')
        logs = [name for name in LOG_TABLE if name != "TimestampTime" or not self.long_names]
        _fill(database, "otel_logs", logs, self.log_rows())
        _fill(database, "otel_traces", SPAN_TABLE, self.span_rows())
        return database

    def log_rows(self) -> list[dict[str, Any]]:
        """The rows of the table of logs: times in nanoseconds, maps as JSON."""
        return [self._log(row) for row in (LOGS.empty_table() if self.logs is None else self.logs).to_pylist()]

    def span_rows(self) -> list[dict[str, Any]]:
        """The rows of the table of spans."""
        return [self._span(row) for row in (SPANS.empty_table() if self.spans is None else self.spans).to_pylist()]

    def _log(self, row: Mapping[str, Any]) -> dict[str, Any]:
        severity = row["severity"]
        at_ns = microseconds(row["time"]) * 1000
        return {
            "Timestamp": at_ns,
            "TimestampTime": at_ns // 1_000_000_000,
            "TraceId": row["trace_id"],
            "SpanId": row["span_id"],
            "SeverityText": severity,
            "SeverityNumber": SEVERITIES.index(severity) * 4 + 1 if severity in SEVERITIES else 0,
            "ServiceName": row["service"],
            "Body": row["body"],
            "ResourceAttributes": _resource(row),
        }

    def _span(self, row: Mapping[str, Any]) -> dict[str, Any]:
        kind, status = row["kind"] or "unspecified", row["status"]
        return {
            "Timestamp": microseconds(row["start"]) * 1000,
            "TraceId": row["trace_id"],
            "SpanId": row["span_id"],
            "ParentSpanId": row["parent_span_id"],
            "SpanName": row["operation"],
            "SpanKind": f"SPAN_KIND_{kind.upper()}" if self.long_names else kind.capitalize(),
            "ServiceName": row["service"],
            "ResourceAttributes": _resource(row),
            "Duration": row["duration_us"] * 1000,
            "SpanAttributes": json.dumps(span_attributes(row)),
            "Links.TraceId": json.dumps([row["linked_trace_id"]] if row["linked_trace_id"] else []),
            "Links.SpanId": json.dumps([row["linked_span_id"]] if row["linked_span_id"] else []),
            "StatusCode": f"STATUS_CODE_{status.upper()}" if self.long_names else status.capitalize(),
        }


def _resource(row: Mapping[str, Any]) -> str:
    told = {"service.name": row["service"], "k8s.pod.name": row["pod"], "k8s.node.name": row["node"]}
    return json.dumps({key: text for key, text in told.items() if text})


def _fill(database: sqlite3.Connection, table: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    places, quoted = ", ".join("?" for _ in columns), '", "'.join(columns)
    database.execute(f'CREATE TABLE {table} ("{quoted}")')
    database.executemany(f"INSERT INTO {table} VALUES ({places})", [[row[name] for name in columns] for row in rows])  # noqa: S608
    database.executemany("INSERT INTO system.columns VALUES ('default', ?, ?)", [(table, name) for name in columns])


def _answer(database: sqlite3.Connection, text: str) -> Response:
    if (found := _FORMAT.fullmatch(text)) is None:
        raise ValueError("no format, or one that is not known")
    asked = found["query"].replace("countIf(", "total(")  # of what holds, which is 1
    asked = _FILTERED.sub(lambda parts: f"mapOf({parts[2]}, '{_listed(parts[1])}')", asked)
    cursor = database.execute(_LITERAL.sub(_unescaped, asked))
    names, rows = [told[0] for told in cursor.description], cursor.fetchall()
    columns = {name: [row[place] for row in rows] for place, name in enumerate(names)}
    columns |= {name: list(map(json.loads, columns[name])) for name in _MAPS if name in columns}
    told = columns if found["format"] == "JSONColumns" else {"meta": [], "data": rows, "rows": len(rows)}
    return Response(json.dumps(told), media_type="application/json")


def _listed(literals: str) -> str:
    return json.dumps(_LITERAL.findall(literals))


def _map_of(told: str, keys: str) -> str:
    wanted = json.loads(keys)
    return json.dumps({key: text for key, text in json.loads(told).items() if key in wanted})


def _unescaped(literal: re.Match[str]) -> str:
    """A literal of ClickHouse, where a backslash takes the meaning from what follows, as one of SQLite."""
    return "'" + re.sub(r"\\(.)", r"\1", literal[1]).replace("'", "''") + "'"


def _micro(at_ns: int) -> int:
    return at_ns // 1000


def _int_div(number: int, by: int) -> int:
    return number // by


def _element(told: str, key: str | int) -> str:
    """Of a map by its key, of a list by its place from 1; "" where there is none."""
    if isinstance(key, int):
        return next(iter(json.loads(told)[key - 1 :]), "")
    return json.loads(told).get(key, "")


def _matches(text: str, pattern: str) -> bool:
    return re.search(pattern, text) is not None


def _substring(text: str, start: int, length: int) -> str:
    return text[start - 1 : start - 1 + length]


def _hash(text: str) -> int:
    return zlib.crc32(text.encode())


def _here() -> str:
    return "default"


_FUNCTIONS: tuple[tuple[str, int, Callable[..., Any]], ...] = (
    ("currentDatabase", 0, _here),
    ("fromUnixTimestamp64Nano", 1, int),
    ("toUnixTimestamp64Micro", 1, _micro),
    ("toDateTime", 1, int),
    ("toInt64", 1, int),
    ("intDiv", 2, _int_div),
    ("arrayElement", 2, _element),
    ("mapOf", 2, _map_of),
    ("match", 2, _matches),
    ("toValidUTF8", 1, str),
    ("substringUTF8", 3, _substring),
    ("cityHash64", 1, _hash),
)
"""Those that SQLite does not have."""
