"""Exemplars of a Prometheus: traces that went through the slowest requests which its histograms counted.

A Prometheus keeps them where it runs with ``--enable-feature=exemplar-storage``; what it does not keep costs nothing.
"""

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from string import hexdigits
from typing import Annotated, Final, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat

from service.concurrency import gather
from service.domain.alert import Alert
from service.domain.window import Window
from service.errors import BackendError
from service.stores.backend import Backend
from service.stores.prometheus_alert import alert_questions
from service.stores.prometheus_series import FAMILIES, Family, Labels
from service.stores.span_rows import TRACE_DIGITS, identifier
from service.stores.trace_sampling import MOST_NAMED

SHARE: Final = 0.2
"""The part of a call's time that they may take: the traces of now are asked for only then."""
TRACE_LABELS: Final = ("trace_id", "traceID", "traceId", "TraceID")


class PrometheusExemplars:
    """Answers for exemplars: one question for all known histograms of latency, one for what an alert looks at."""

    def __init__(self, backend: Backend, labels: Labels | None = None, families: Sequence[Family] = FAMILIES) -> None:
        self._backend = backend
        self._labels = labels or Labels()
        self._scales = {f"{one.name}_bucket": one.scale for one in families if one.form == "histogram"}

    async def exemplars(self, window: Window, alerts: Sequence[Alert] = ()) -> Sequence[str]:
        """Trace ids, the most telling first; none where none are kept, or none are told in time."""
        asked, _ = alert_questions(alerts, self._labels)
        queries = [*(one.question.query for one in asked), " or ".join(self._scales)]
        answers = await gather(*(self._asked(query, window) for query in queries))
        services = {alert.service for alert in alerts}
        found = [one for place, told in enumerate(answers) for one in self._found(told, place, services, window)]
        return list(dict.fromkeys(one.trace_id for one in sorted(found)))[:MOST_NAMED]

    async def _asked(self, query: str, window: Window) -> "Sequence[_Series]":
        """What there is of one question; nothing where there is no answer, which nobody needs."""
        ends = {"start": f"{window.start.timestamp():.3f}", "end": f"{window.end.timestamp():.3f}"}
        try:
            async with asyncio.timeout(SHARE * self._backend.access.total_s):
                path, data = "/api/v1/query_exemplars", {"query": query, **ends}
                return (await self._backend.told(_Answer, "POST", path, data=data, retry=False)).data
        except (BackendError, TimeoutError):
            return ()

    def _found(
        self, told: "Sequence[_Series]", place: int, services: Collection[str], window: Window
    ) -> "Iterator[_Example]":
        start_s, end_s = window.start.timestamp(), window.end.timestamp()
        for series in told:
            of_others = not any(series.labels.get(name) in services for name in self._labels.service)
            scale = self._scales.get(series.labels.get("__name__", ""), 1.0)
            for one in series.exemplars:
                trace_id = _trace_id(one.labels)
                if trace_id and start_s <= one.timestamp <= end_s:
                    yield _Example(place, of_others, -one.value * scale, trace_id)


class _Example(NamedTuple):
    """In the order in which they are taken: of an alert's own expression, of an alerting service, the slowest."""

    place: int
    of_others: bool
    sooner: float
    trace_id: str


class _Told(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Exemplar(_Told):
    labels: dict[str, str] = {}
    value: FiniteFloat
    timestamp: FiniteFloat


def _or_none(value: object) -> object:
    return () if value is None else value


class _Series(_Told):
    labels: dict[str, str] = Field(default={}, alias="seriesLabels")
    exemplars: Annotated[tuple[_Exemplar, ...], BeforeValidator(_or_none)] = ()


class _Answer(_Told):
    data: Annotated[tuple[_Series, ...], BeforeValidator(_or_none)] = ()


def _trace_id(labels: Mapping[str, str]) -> str:
    told = next((labels[name] for name in TRACE_LABELS if labels.get(name)), "")
    found = identifier(told, TRACE_DIGITS)
    return found if set(hexdigits).issuperset(found) else ""  # it becomes part of an address
