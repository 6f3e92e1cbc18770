"""A server that answers searches as Elasticsearch and OpenSearch do and knows the records of a table: beside the real
adapter, for tests. It understands as much of their queries as the adapter asks; anything else is refused.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from service.stores.log_fields import ECS, LogFields
from service.stores.log_times import microseconds_of, nanosecond_text

MOST_HITS = 10_000
"""``index.max_result_window``, as it is by default."""

_WORD = re.compile(r"\w+")

Document = Mapping[str, str]
Query = Mapping[str, Any]


@dataclass(slots=True)
class FakeElasticsearch:
    """Records under the first of each of the names of ``fields``, at whole milliseconds where ``milliseconds`` as the
    type "date" has them. ``timed_out`` and ``failed_shards`` are what every answer says of itself.
    """

    logs: pa.Table
    fields: LogFields = ECS
    time: str = "@timestamp"
    index: str = "logs-*"
    milliseconds: bool = False
    timed_out: bool = False
    failed_shards: int = 0
    searches: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def app(self) -> Starlette:
        """The ASGI application."""
        documents = [self._document(row) for row in self.logs.to_pylist()]

        async def search(request: Request) -> Response:
            asked: dict[str, Any] = await request.json()
            self.searches.append(asked)
            if request.path_params["index"] != self.index:
                return JSONResponse(self._answer([], None, {}))
            try:
                return JSONResponse(self._search(documents, asked))
            except (_Refused, KeyError) as error:
                reason = {"type": "parsing_exception", "reason": str(error)}
                return JSONResponse({"error": {"root_cause": [reason], **reason}, "status": 400}, 400)

        return Starlette(routes=[Route("/{index}/_search", search, methods=["POST"])])

    def _document(self, row: Mapping[str, Any]) -> Document:
        names = self.fields
        at = row["time"]
        at = at.replace(microsecond=at.microsecond // 1000 * 1000) if self.milliseconds else at
        told = {
            names.service[0]: row["service"],
            names.pod[0]: row["pod"],
            names.node[0]: row["node"],
            names.severity[0]: row["severity"].lower(),
            names.body[0]: row["body"],
            names.trace_id[0]: row["trace_id"],
            names.span_id[0]: row["span_id"],
        }
        return {self.time: nanosecond_text(at), **{name: text for name, text in told.items() if text}}

    def _search(self, documents: Sequence[Document], asked: Query) -> dict[str, Any]:
        size = asked.get("size", 10)
        if size > MOST_HITS:
            raise _Refused(f"Result window is too large, from + size must be less than or equal to: [{MOST_HITS}]")
        found = [document for document in documents if self._has(document, asked["query"])]
        for by in asked.get("sort", []):
            (name, how), *_ = by.items()
            found.sort(key=lambda document: document.get(name, ""), reverse=how["order"] == "desc")
        counts = {
            name: {"doc_count": sum(self._has(document, wanted["filter"]) for document in found)}
            for name, wanted in asked.get("aggs", {}).items()
        }
        return self._answer(found, asked, counts)

    def _answer(self, found: Sequence[Document], asked: Query | None, counts: Query) -> dict[str, Any]:
        tracked = asked is None or asked.get("track_total_hits", True)
        hits = [_hit(document, asked) for document in found[: asked.get("size", 10)]] if asked is not None else []
        told: dict[str, Any] = {
            "took": 1,
            "timed_out": self.timed_out,
            "_shards": {"total": 3, "successful": 3 - self.failed_shards, "skipped": 0, "failed": self.failed_shards},
            "hits": {"max_score": None, "hits": hits},
        }
        if tracked:
            told["hits"]["total"] = {"value": len(found), "relation": "eq"}
        return {**told, "aggregations": dict(counts)} if counts else told

    def _has(self, document: Document, query: Query) -> bool:
        (kind, told), *more = query.items()
        if more:
            raise _Refused(f"[{kind}] malformed query, expected [END_OBJECT] but found [FIELD_NAME]")
        match kind:
            case "bool":
                return self._has_all(document, told)
            case "range":
                return self._in_range(document, told)
            case "terms":
                (name, values), *_ = told.items()
                return document.get(name) in values
            case "exists":
                return told["field"] in document
            case "multi_match":
                words = set(_words(told["query"]))
                return any(words & set(_words(document.get(name, ""))) for name in told["fields"])
            case "query_string":
                name, _, value = told["query"].partition(":")
                return document.get(name) == value.strip()
            case _:
                raise _Refused(f"unknown query [{kind}]")

    def _has_all(self, document: Document, told: Query) -> bool:
        wanted = [*_listed(told.get("filter", [])), *_listed(told.get("must", []))]
        some = _listed(told.get("should", []))
        enough = sum(self._has(document, query) for query in some) >= told.get("minimum_should_match", 0)
        unwanted = _listed(told.get("must_not", []))
        return (
            enough
            and all(self._has(document, query) for query in wanted)
            and not any(self._has(document, query) for query in unwanted)
        )

    def _in_range(self, document: Document, told: Query) -> bool:
        """Of whole milliseconds, bounds are cut to them too."""
        (name, bounds), *_ = told.items()
        unit_us = 1000 if self.milliseconds else 1
        ends = [microseconds_of(bounds[bound]) for bound in ("gte", "lte")]
        at_us = microseconds_of(document[name])
        if at_us is None or None in ends:
            raise _Refused(f"failed to parse date field [{bounds}]")
        first, last = (end // unit_us for end in ends if end is not None)
        return first <= at_us // unit_us <= last


class _Refused(Exception):
    pass


def _hit(document: Document, asked: Query) -> dict[str, Any]:
    wanted = [told if isinstance(told, str) else told["field"] for told in asked.get("fields", [])]
    return {"_index": "one", "_id": "1", "fields": {name: [document[name]] for name in wanted if name in document}}


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]


def _listed(told: Any) -> list[Query]:
    return told if isinstance(told, list) else [told]  # pyright: ignore[reportUnknownVariableType]
