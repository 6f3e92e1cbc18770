"""Prometheus, and what speaks its API (VictoriaMetrics, Thanos, Mimir): metrics of a window, as range queries."""

import asyncio
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import httpx
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, ValidationError

from service.domain.component import EDGE_ARROW
from service.domain.window import Window
from service.errors import BackendError
from service.ports import METRICS
from service.stores.prometheus_series import FAMILIES, Family, Labels, Question, questions
from service.stores.validation import first_fault, printable
from service.telemetry import logger

MOST_POINTS = 240
"""Points of a series at most: a longer window gets a wider step, and the server's own limit is never met."""
AT_ONCE = 4
MOST_SAMPLES = 2_000_000
SHORTEST_RATE_STEPS = 3
"""A rate over fewer steps than this would show gaps where a scrape came late."""

Samples = list[tuple[float, float]]
"""Seconds since the epoch and values, which come as text: "NaN" and "+Inf" among them."""


class PrometheusMetrics:
    """Answers for metrics.

    ``step_s`` is how far apart samples should be: not below the scrape interval. ``tenant`` goes into the header that
    Mimir and Thanos read. A question that the server refuses costs its own series and is told of in the log; a server
    that answers nothing at all is a `BackendError`.
    """

    def __init__(
        self,
        url: str,
        *,
        step_s: int = 15,
        labels: Labels | None = None,
        families: Sequence[Family] = FAMILIES,
        timeout_s: float = 8.0,
        tenant: str = "",
        headers: Mapping[str, str] | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._step_s = step_s
        self._labels = labels or Labels()
        self._families = families
        told = {**(headers or {}), **({"X-Scope-OrgID": tenant} if tenant else {})}
        self._client: dict[str, Any] = {
            "base_url": url.rstrip("/"), "headers": told, "timeout": timeout_s, "transport": transport
        }  # fmt: skip
        self._url = url

    async def metrics(self, window: Window) -> pa.Table:
        """Samples of the window. Raises `BackendError` if the server cannot say what it has."""
        step_s = max(self._step_s, math.ceil(window.length.total_seconds() / MOST_POINTS))
        async with httpx.AsyncClient(**self._client) as client:
            there = await self._names(client, window)
            asked = list(questions(self._families, there, self._labels, SHORTEST_RATE_STEPS * step_s))
            room = asyncio.Semaphore(AT_ONCE)
            answers = await asyncio.gather(*(self._ask(client, room, q, window, step_s) for q in asked))
        if asked and all(isinstance(answer, BackendError) for answer in answers):
            raise next(answer for answer in answers if isinstance(answer, BackendError))
        told = [(q, a) for q, a in zip(asked, answers, strict=True) if not isinstance(a, BackendError)]
        return _table([row for question, series in told for row in self._rows(question, series)])

    async def found(self) -> str:
        """What answers there, in one line. Raises `BackendError`."""
        async with httpx.AsyncClient(**self._client) as client:
            told = await self._get(client, "/api/v1/query", {"query": "count(up)"})
        series = _Vector.model_validate(told).result
        return f"Prometheus {self._url}: {series[0].value[1] if series else 'no'} targets"

    async def _names(self, client: httpx.AsyncClient, window: Window) -> frozenset[str]:
        told = await self._get(client, "/api/v1/label/__name__/values", _ends(window))
        if not isinstance(told, list):
            raise BackendError(f"Prometheus {self._url}: names of its series are not a list")
        return frozenset(name for name in told if isinstance(name, str))  # pyright: ignore[reportUnknownVariableType]

    async def _ask(
        self, client: httpx.AsyncClient, room: asyncio.Semaphore, question: Question, window: Window, step_s: int
    ) -> "list[_Series] | BackendError":
        parameters = {"query": question.query, **_ends(window), "step": str(step_s)}
        async with room:
            try:
                told = await self._get(client, "/api/v1/query_range", parameters)
                return _Matrix.model_validate(told).result
            except ValidationError as error:
                return BackendError(f"Prometheus {self._url}: {question.metric}: {first_fault(error)}")
            except BackendError as error:
                logger("prometheus").warning("%s is left out: %s", question.metric, error)
                return error

    async def _get(self, client: httpx.AsyncClient, path: str, parameters: Mapping[str, str]) -> object:
        """What is in the envelope; long queries go by POST, which every call but the list of names takes."""
        try:
            if path.endswith("/values"):
                answer = await client.get(path, params=parameters)
            else:
                answer = await client.post(path, data=parameters)
            told: object = answer.json()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise BackendError(f"Prometheus {self._url}: {type(error).__name__} {error}".strip()) from None
        except ValueError:
            raise BackendError(f"Prometheus {self._url}: answers {path} with something that is not JSON") from None
        try:
            envelope = _Envelope.model_validate(told)
        except ValidationError as error:
            raise BackendError(f"Prometheus {self._url}: {first_fault(error)}") from None
        for warning in envelope.warnings:
            logger("prometheus").warning("%s", printable(warning)[:200])
        if envelope.status != "success":
            raise BackendError(printable(f"Prometheus {self._url}: {envelope.error}")[:300])
        return envelope.data

    def _rows(self, question: Question, series: "Sequence[_Series]") -> Iterator["_Row"]:
        for one in series:
            whose = self._whose(question, one.metric)
            if whose is None:
                continue
            for at_s, value in one.values:
                number = value * question.scale
                if math.isfinite(number):
                    yield (round(at_s * 1e6), *whose, question.metric, question.unit, number)

    def _whose(self, question: Question, labels: Mapping[str, str]) -> tuple[str, str, str] | None:
        """Component, its kind and its service; None where the labels name nobody."""
        service, pod = _first(labels, self._labels.service), _first(labels, self._labels.pod)
        if question.about == "node":
            node = _first(labels, self._labels.node)
            return (node, "node", "") if node else None
        if question.about == "edge":
            peer = _first(labels, self._labels.peer)
            return (f"{service}{EDGE_ARROW}{peer}", "edge", service) if service and peer else None
        if pod:
            return pod, "pod", service
        return (service, "service", service) if service else None


_Row = tuple[int, str, str, str, str, str, float]


class _Told(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Envelope(_Told):
    status: str
    data: object = None
    error: str = ""
    warnings: list[str] = []


class _Series(_Told):
    metric: dict[str, str]
    values: Samples = []


class _Matrix(_Told):
    result: list[_Series]


class _Instant(_Told):
    value: tuple[float, str]


class _Vector(_Told):
    result: list[_Instant]


def _first(labels: Mapping[str, str], names: Sequence[str]) -> str:
    return next((labels[name] for name in names if labels.get(name)), "")


def _ends(window: Window) -> dict[str, str]:
    return {"start": f"{window.start.timestamp():.3f}", "end": f"{window.end.timestamp():.3f}"}


def _table(rows: "list[_Row]") -> pa.Table:
    if len(rows) > MOST_SAMPLES:
        logger("prometheus").warning("%d samples are more than %d: the last are left out", len(rows), MOST_SAMPLES)
    columns: Any = list(zip(*rows[:MOST_SAMPLES], strict=True)) if rows else [()] * len(METRICS.names)
    kinds: Any = METRICS.types
    arrays: Any = [pa.array(list(column), kind) for column, kind in zip(columns, kinds, strict=True)]
    return pa.table(arrays, schema=METRICS)
