"""A server that speaks VictoriaLogs' API and knows the records of a table: beside the real adapter, for tests.

It understands as much of LogsQL as the adapter asks: a time, expressions over fields with "or", "!" and parentheses,
and the pipes stats, sort and fields. Everything else is refused, in plain text as VictoriaLogs does.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import pyarrow as pa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from service.stores.log_times import microseconds_of, nanosecond_text

Record = dict[str, str]
_Test = Callable[[Record], bool]

_TOKEN = re.compile(r'\s*(_time:\[[^\]]*\]|"(?:[^"\\]|\\.)*"|[\w.]+|:~|:|[|(){}!,=])')
_PIPES = (
    re.compile(r"(?P<stats>stats) count\(\) lines, count\(\) if \((?P<loud>.*)\) loud", re.DOTALL),
    re.compile(r"(?P<sort>sort) by \(_time\) limit (?P<limit>\d+)"),
    re.compile(r"(?P<fields>fields) (?P<names>.*)"),
)


@dataclass(slots=True)
class FakeVictoriaLogs:
    """Records by VictoriaLogs' rules: one in JSON a line, every value text, fields without a value left out, in no
    order but the one that was asked for.
    """

    logs: pa.Table

    def app(self) -> Starlette:
        """The ASGI application."""
        records = [_record(row) for row in self.logs.to_pylist()]

        async def query(request: Request) -> Response:
            asked = parse_qs((await request.body()).decode())
            try:
                found = _answer(records, asked["query"][0])
            except (_Refused, KeyError, re.error) as error:
                return PlainTextResponse(f"cannot parse query: {error}", 400)
            lines = "".join(json.dumps(record) + "\n" for record in found)
            return PlainTextResponse(lines, media_type="application/stream+json")

        return Starlette(routes=[Route("/select/logsql/query", query, methods=["POST"])])


class _Refused(Exception):
    pass


def _record(row: Mapping[str, Any]) -> Record:
    told = {
        "_time": nanosecond_text(row["time"]),
        "_stream": f'{{service.name="{row["service"]}"}}',
        "_msg": row["body"],
        "service.name": row["service"],
        "k8s.pod.name": row["pod"],
        "k8s.node.name": row["node"],
        "severity": row["severity"],
        "trace_id": row["trace_id"],
        "span_id": row["span_id"],
    }
    return {name: text for name, text in told.items() if text}


def _answer(records: Sequence[Record], query: str) -> list[Record]:
    """What a filter finds, unsorted: the newest come first here; then from pipe to pipe."""
    parser = _Parser(query)
    test = parser.both()
    found = [record for record in reversed(records) if test(record)]
    for pipe in re.split(r"\|(?= (?:stats|sort|fields) )", parser.rest())[1:]:
        found = _piped(found, pipe.strip())
    return found


def _piped(records: list[Record], pipe: str) -> list[Record]:
    found = next((match for pattern in _PIPES if (match := pattern.fullmatch(pipe))), None)
    if found is None:
        raise _Refused(f"unexpected pipe {pipe[:40]}")
    if "stats" in found.groupdict():
        loud = _Parser(found["loud"]).either()
        return [{"lines": str(len(records)), "loud": str(sum(map(loud, records)))}]
    if "sort" in found.groupdict():
        return sorted(records, key=lambda record: record["_time"])[: int(found["limit"])]
    names = [json.loads(name) for name in found["names"].split(", ")]
    return [{name: record[name] for name in names if name in record} for record in records]


class _Parser:
    """A filter of LogsQL, from left to right."""

    def __init__(self, query: str) -> None:
        self._query = query
        self._at = 0

    def rest(self) -> str:
        """What follows the filter."""
        return self._query[self._at :].strip()

    def either(self) -> _Test:
        """Several with "or" between them."""
        tests = [self.both()]
        while self._peek() == "or":
            self._next()
            tests.append(self.both())
        return lambda record: any(test(record) for test in tests)

    def both(self) -> _Test:
        """Several one after the other, all of which hold."""
        tests = [self._one()]
        while self._peek() not in ("", "|", ")", "or"):
            tests.append(self._one())
        return lambda record: all(test(record) for test in tests)

    def _one(self) -> _Test:
        token = self._next()
        if token == "!":  # noqa: S105
            test = self._one()
            return lambda record: not test(record)
        if token == "(":  # noqa: S105
            test = self.either()
            self._need(")")
            return test
        if token.startswith("_time:["):
            return _between(token.removeprefix("_time:[").removesuffix("]"))
        name = json.loads(token) if token.startswith('"') else token
        if self._next() == ":~":
            pattern = re.compile(json.loads(self._next()))
            return lambda record: pattern.search(record.get(name, "")) is not None
        word = json.loads(self._next())
        return lambda record: re.search(rf"\b{re.escape(word)}\b", record.get(name, "")) is not None

    def _peek(self) -> str:
        found = _TOKEN.match(self._query, self._at)
        return found[1] if found else self.rest()[:1]

    def _next(self) -> str:
        if (found := _TOKEN.match(self._query, self._at)) is None:
            raise _Refused(f"unexpected token {self.rest()[:10]!r}")
        self._at = found.end()
        return found[1]

    def _need(self, token: str) -> None:
        if (found := self._next()) != token:
            raise _Refused(f"unexpected token {found!r}; want {token!r}")


def _between(told: str) -> _Test:
    """A time, both ends part of it."""
    ends = [text.strip() for text in told.split(",")]
    if len(ends) != 2 or any(microseconds_of(end) is None for end in ends):
        raise _Refused(f"cannot parse _time filter [{told}]")
    return lambda record: ends[0] <= record["_time"] <= ends[1]
