"""Elasticsearch and OpenSearch: log records of a window (the search both speak)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from service.domain.window import Window
from service.stores.aside import aside
from service.stores.backend import Backend
from service.stores.embedded.decoded import EPOCH
from service.stores.log_fields import ECS, OTEL, USUAL, LogFields, LogRows
from service.stores.log_sample import Counted, LogPlan, Page, Part, Stretch, of_last_hour, sampled_logs
from service.stores.log_times import microseconds_of, nanosecond_text

PROFILES = {"ecs": ECS, "otel": OTEL, "usual": USUAL}
"""Names of fields by the convention that an index follows; "usual" tries all that are known."""

LEVELS = "warn warning err error fatal crit critical severe panic alert emerg emergency".split()
_WRITTEN = [written for level in LEVELS for written in (level, level.upper(), level.capitalize())]
_NUMBERED = [f"{level}{n}" for level in ("WARN", "ERROR", "FATAL") for n in (2, 3, 4)]
"""OpenTelemetry's finer steps."""
TROUBLE = "error err fatal critical severe panic emerg warn warning exception traceback segfault"
_TIME_FORMAT = "strict_date_optional_time_nanos"

Query = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Index:
    """Where the records are and what their fields are called. ``name`` may be a list or a pattern, a data stream or an
    alias; ``only`` is a query (``kubernetes.namespace: shop``, Lucene's syntax) that ours match.
    """

    name: str = "logs-*"
    time: str = "@timestamp"
    fields: LogFields = USUAL
    only: str = ""


class ElasticsearchLogs:
    """Answers for logs, from an Elasticsearch or an OpenSearch."""

    def __init__(self, backend: Backend, index: Index | None = None, plan: LogPlan | None = None) -> None:
        self._backend = backend
        self._plan = plan
        self._index = index or Index()

    @property
    def name(self) -> str:
        """What people call it."""
        return self._backend.name

    async def logs(self, window: Window) -> pa.Table:
        """Records of the window, a sample of them where they are many. Raises `BackendError`."""
        return await sampled_logs(self, window, self._backend.patience_s, self._plan)

    async def found(self) -> str:
        """What answers there, in one line. Raises `BackendError`."""
        lines = await of_last_hour(self)
        return f"{self.name} {self._backend.access.shown}: {lines:,} records in the last hour in {self._index.name}"

    async def count(self, stretch: Stretch) -> Counted:
        """How many records there are, and how many of them tell of trouble."""
        loud = {"loud": {"filter": self._loud()}}
        told = await self._search({"size": 0, "track_total_hits": True, "aggs": loud}, [self._in(stretch)])
        if told.hits.total is None or told.aggregations is None:
            return Counted(0, 0)  # of no index that is there nothing is counted
        return Counted(told.hits.total.value, told.aggregations.loud.doc_count, told.notes())

    async def page(self, stretch: Stretch, part: Part, limit: int) -> Page:
        """The first records of a stretch."""
        filters = [self._in(stretch), *([self._loud()] if part is Part.LOUD else [])]
        time = self._index.time
        body = {
            "size": limit,
            "sort": [{time: {"order": "asc", "unmapped_type": "date"}}],
            "track_total_hits": False,
            "_source": False,
            "fields": [{"field": time, "format": _TIME_FORMAT}, *self._index.fields.every()],
        }
        told = await self._search(body, filters, [self._loud()] if part is Part.QUIET else [])
        return await aside(partial(self._page, told, json.dumps({"bool": {"filter": filters}})))

    def _page(self, told: "_Searched", query: str) -> Page:
        rows = LogRows(self._index.fields)
        for hit in told.hits.hits:
            at_us = microseconds_of(_text(hit.fields.get(self._index.time, [])))
            if at_us is None:
                raise self._backend.failure(f"answers with a record without its time ({self._index.time})")
            rows.add(at_us, {name: _text(values) for name, values in hit.fields.items()})
        return Page(rows.table(), told.notes(), query)

    async def _search(self, body: Query, filters: Sequence[Query], without: Sequence[Query] = ()) -> "_Searched":
        """An answer, which may be of a part of the shards only: then it says so."""
        asked = {**body, "query": {"bool": {"filter": filters, "must_not": list(without)}}}
        given = {"ignore_unavailable": "true", "allow_no_indices": "true"}
        return await self._backend.told(_Searched, "POST", f"/{self._index.name}/_search", params=given, json=asked)

    def _in(self, stretch: Stretch) -> Query:
        start, end = (EPOCH + timedelta(microseconds=us) for us in (stretch.start_us, stretch.end_us))
        bounds = {"gte": nanosecond_text(start), "lte": nanosecond_text(end, last=True), "format": _TIME_FORMAT}
        inside: Query = {"range": {self._index.time: bounds}}
        if not self._index.only:
            return inside
        return {"bool": {"filter": [inside, {"query_string": {"query": self._index.only}}]}}

    def _loud(self) -> Query:
        """Records that tell of trouble: by their level, or where there is none by what they say."""
        levels = self._index.fields.severity
        by_level: list[Query] = [{"terms": {name: [*_WRITTEN, *_NUMBERED]}} for name in levels]
        untold: list[Query] = [{"exists": {"field": name}} for name in levels]
        said: Query = {"multi_match": {"query": TROUBLE, "fields": list(self._index.fields.body), "lenient": True}}
        return {
            "bool": {"should": [*by_level, {"bool": {"must": said, "must_not": untold}}], "minimum_should_match": 1}
        }


def _text(values: Sequence[object]) -> str:
    """The first value of a field as text."""
    value = values[0] if values else ""
    return value if isinstance(value, str) else ("" if value is None else str(value))


class _Told(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Total(_Told):
    value: int
    relation: Literal["eq", "gte"] = "eq"


class _Hit(_Told):
    fields: dict[str, list[object]] = {}


class _Hits(_Told):
    total: _Total | None = None
    hits: list[_Hit] = []


class _Bucket(_Told):
    doc_count: int


class _Aggregated(_Told):
    loud: _Bucket


class _Shards(_Told):
    total: int = 0
    failed: int = 0


class _Searched(_Told):
    timed_out: bool = False
    shards: _Shards = Field(default=_Shards(), alias="_shards")
    hits: _Hits
    aggregations: _Aggregated | None = None

    def notes(self) -> tuple[str, ...]:
        """What the answer says that it does not have."""
        notes: list[str] = []
        if self.timed_out:
            notes.append("it ran out of time and answered with what it had")
        if self.shards.failed:
            notes.append(f"{self.shards.failed} of {self.shards.total} shards failed")
        if self.hits.total is not None and self.hits.total.relation == "gte":
            notes.append("it did not count every record")
        return tuple(notes)
