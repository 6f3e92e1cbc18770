"""A server that speaks Loki's API and knows the lines of a table: beside the real adapter, for tests.

It understands as much of LogQL as the adapter asks: a selector, ``| regexp`` and filters of labels with "and", "or" and
parentheses, and the number of lines over a time. Everything else is refused, in plain text as Loki does.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from service.stores.embedded.decoded import microseconds

MOST_ENTRIES = 5000
"""``max_entries_limit_per_query``, as it is by default."""
MOST_BYTES = 4 * 1024 * 1024
"""``grpc_server_max_recv_msg_size``, as it is by default: an answer above it never comes."""
LONGEST_S = 721 * 3600
"""``max_query_length``, as it is by default."""

Labels = dict[str, str]
_Test = Callable[[Labels], bool]

_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|`[^`]*`|[A-Za-z_]\w*|=~|!~|!=|[|(){}=,\[\]]|\d+s)')
_COUNT = re.compile(r"sum\(count_over_time\((?P<query>.*)\[(?P<seconds>\d+)s\]\)\)", re.DOTALL)
_EMPTY = "queries require at least one regexp or equality matcher that does not have an empty-compatible value"


@dataclass(frozen=True, slots=True)
class _Line:
    at_ns: int
    labels: Labels
    body: str

    @property
    def size(self) -> int:
        """About its bytes in a message of the server's parts: its metadata come with every line."""
        return len(self.body) + sum(len(name) + len(text) for name, text in self.labels.items()) + 16


@dataclass(slots=True)
class FakeLoki:
    """Lines by Loki's rules: what belongs to one line alone stands among the labels of its stream, every name with
    underscores, the end of a time is not part of it, and times are text. ``detects`` levels as versions since 3.1 do.

    Its limits are those of the real one: ``most_entries`` of a query, ``longest_s`` of its time, ``most_bytes`` of an
    answer, and ``busy`` for so many questions for lines, which it refuses.
    """

    logs: pa.Table
    detects: bool = True
    most_entries: int = MOST_ENTRIES
    most_bytes: int = MOST_BYTES
    longest_s: int = LONGEST_S
    busy: int = 0

    def app(self) -> Starlette:
        """The ASGI application."""
        lines = [self._line(row) for row in self.logs.to_pylist()]
        return Starlette(
            routes=[
                Route("/loki/api/v1/labels", _answering(lines, _labels)),
                Route("/loki/api/v1/label/{name}/values", _answering(lines, _values)),
                Route("/loki/api/v1/query_range", _answering(lines, self._query_range)),
                Route("/loki/api/v1/query", _answering(lines, self._query)),
            ]
        )

    async def _query_range(self, lines: "Sequence[_Line]", asked: Mapping[str, str]) -> dict[str, Any]:
        if self.busy > 0:
            self.busy -= 1
            raise _Busy("too many outstanding requests")
        limit = int(asked.get("limit", 100))
        if limit > self.most_entries:
            what = "max entries limit per query exceeded, limit > max_entries_limit_per_query"
            raise _Refused(f"{what} ({limit} > {self.most_entries})")
        self._need_short((int(asked["end"]) - int(asked["start"])) / 1e9)
        kept = _kept(lines, asked, limit)
        if sum(line.size for line in kept) > self.most_bytes:
            await asyncio.Event().wait()  # its parts do not pass it on, and nobody is told
        return _streams(kept)

    async def _query(self, lines: "Sequence[_Line]", asked: Mapping[str, str]) -> dict[str, Any]:
        if (found := _COUNT.fullmatch(asked["query"])) is None:
            raise _Refused("parse error at line 1, col 1: syntax error: unexpected IDENTIFIER")
        self._need_short(float(found["seconds"]))
        return _counted(lines, found, int(asked["time"]))

    def _need_short(self, seconds: float) -> None:
        if seconds > self.longest_s:
            length, limit = (f"{s // 3600:.0f}h{s % 3600 // 60:.0f}m{s % 60:g}s" for s in (seconds, self.longest_s))
            raise _Refused(f"the query time range exceeds the limit (query length: {length}, limit: {limit})")

    def _line(self, row: Mapping[str, Any]) -> _Line:
        told = {
            "service_name": row["service"] or "unknown_service",
            "k8s_pod_name": row["pod"],
            "k8s_node_name": row["node"],
            "severity_text": row["severity"],
            "trace_id": row["trace_id"],
            "span_id": row["span_id"],
            "detected_level": (row["severity"].lower() or "unknown") if self.detects else "",
        }
        labels = {name: text for name, text in told.items() if text}
        return _Line(microseconds(row["time"]) * 1000, labels, row["body"])


class _Refused(Exception):
    pass


class _Busy(Exception):
    pass


_Answer = Callable[[Sequence[_Line], Mapping[str, str]], Awaitable[Any]]


def _answering(lines: Sequence[_Line], answer: _Answer) -> Any:
    async def respond(request: Request) -> Response:
        asked = {**request.query_params, **request.path_params}
        try:
            return JSONResponse({"status": "success", "data": await answer(lines, asked)})
        except (_Refused, KeyError, ValueError) as error:
            return PlainTextResponse(str(error), 400)
        except _Busy as error:
            return PlainTextResponse(str(error), 429)

    return respond


async def _labels(lines: Sequence[_Line], asked: Mapping[str, str]) -> list[str]:
    indexed = {"service_name", "k8s_pod_name", "k8s_node_name"}
    return sorted({name for line in _between(lines, asked) for name in line.labels} & indexed)


async def _values(lines: Sequence[_Line], asked: Mapping[str, str]) -> list[str]:
    return sorted({line.labels.get(asked["name"], "") for line in _between(lines, asked)} - {""})


def _kept(lines: Sequence[_Line], asked: Mapping[str, str], limit: int) -> list[_Line]:
    found = sorted(_selected(_between(lines, asked), asked["query"]), key=lambda line: line.at_ns)
    return found[:limit] if asked.get("direction") == "forward" else found[::-1][:limit]


def _streams(kept: Sequence[_Line]) -> dict[str, Any]:
    streams: dict[tuple[tuple[str, str], ...], list[list[str]]] = {}
    for line in kept:
        streams.setdefault(tuple(sorted(line.labels.items())), []).append([str(line.at_ns), line.body])
    told = [{"stream": dict(labels), "values": values} for labels, values in streams.items()]
    return {"resultType": "streams", "result": told, "stats": {}}


def _counted(lines: Sequence[_Line], found: re.Match[str], end_ns: int) -> dict[str, Any]:
    start_ns = end_ns - int(found["seconds"]) * 1_000_000_000
    within = [line for line in lines if start_ns < line.at_ns <= end_ns]
    count = sum(1 for _ in _selected(within, found["query"]))
    vector: dict[str, Any] = {"metric": {}, "value": [end_ns // 1_000_000_000, str(count)]}
    return {"resultType": "vector", "result": [vector] if count else [], "stats": {}}


def _between(lines: Sequence[_Line], asked: Mapping[str, str]) -> list[_Line]:
    start_ns, end_ns = int(asked["start"]), int(asked["end"])
    return [line for line in lines if start_ns <= line.at_ns < end_ns]


def _selected(lines: Sequence[_Line], query: str) -> Iterator[_Line]:
    """The lines that a query lets through, with the labels that it adds."""
    parser = _Parser(query)
    select, stages = parser.selector(), list(parser.stages())
    for line in lines:
        labels = dict(line.labels)
        if select(labels) and all(stage(labels, line.body) for stage in stages):
            yield _Line(line.at_ns, labels, line.body)


class _Parser:
    """LogQL, from left to right."""

    def __init__(self, query: str) -> None:
        self._query = query
        self._at = 0

    def selector(self) -> _Test:
        self._need("{")
        tests, empty = list[_Test](), True
        while True:
            test = self._matcher()
            empty, tests = empty and test({}), [*tests, test]
            if self._next() == "}":
                break
            self._back()
            self._need(",")
        if empty:
            raise _Refused(_EMPTY)
        return lambda labels: all(test(labels) for test in tests)

    def stages(self) -> Iterator[Callable[[Labels, str], bool]]:
        while self._next():
            self._back()
            self._need("|")
            if self._next() == "regexp":
                yield _adding(re.compile(self._text()))
                continue
            self._back()
            test = self._either()
            yield lambda labels, _, test=test: test(labels)

    def _either(self) -> _Test:
        tests = [self._both()]
        while self._next() == "or":
            tests.append(self._both())
        self._back()
        return lambda labels: any(test(labels) for test in tests)

    def _both(self) -> _Test:
        tests = [self._one()]
        while self._next() == "and":
            tests.append(self._one())
        self._back()
        return lambda labels: all(test(labels) for test in tests)

    def _one(self) -> _Test:
        if self._next() != "(":
            self._back()
            return self._matcher()
        test = self._either()
        self._need(")")
        return test

    def _matcher(self) -> _Test:
        name, operator, text = self._next(), self._next(), self._text()
        if operator in ("=", "!="):
            return lambda labels: (labels.get(name, "") == text) == (operator == "=")
        if operator in ("=~", "!~"):
            pattern = re.compile(text)
            return lambda labels: bool(pattern.fullmatch(labels.get(name, ""))) == (operator == "=~")
        raise self._refusal(operator)

    def _text(self) -> str:
        token = self._next()
        if token[:1] not in ('"', "`"):
            raise self._refusal(token)
        return token[1:-1] if token[0] == "`" else token[1:-1].replace('\\"', '"').replace("\\\\", "\\")

    def _next(self) -> str:
        self._before = self._at
        if not self._query[self._at :].strip():
            return ""
        if (found := _TOKEN.match(self._query, self._at)) is None:
            raise self._refusal(self._query[self._at :][:10])
        self._at = found.end()
        return found[1]

    def _back(self) -> None:
        self._at = self._before

    def _need(self, token: str) -> None:
        if (found := self._next()) != token:
            raise self._refusal(found or "$end")

    def _refusal(self, token: str) -> _Refused:
        return _Refused(f"parse error at line 1, col {self._before + 1}: syntax error: unexpected {token}")


def _adding(pattern: re.Pattern[str]) -> Callable[[Labels, str], bool]:
    """A stage that adds what the groups of an expression match; where it does not match, nothing."""

    def stage(labels: Labels, body: str) -> bool:
        found = pattern.search(body)
        labels |= {} if found is None else {name: text or "" for name, text in found.groupdict().items()}
        return True

    return stage
