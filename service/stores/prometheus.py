"""Prometheus, and what speaks its API (VictoriaMetrics, Thanos, Mimir): metrics of a window, as range queries."""

import asyncio
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple, TypeVar

import pyarrow as pa

from service.concurrency import gather
from service.domain import names
from service.domain.alert import Alert
from service.domain.component import EDGE_ARROW
from service.domain.window import Window
from service.errors import BackendError
from service.ports import METRICS
from service.stores.aside import aside
from service.stores.backend import Backend
from service.stores.case_tables import within
from service.stores.partial import with_notes, with_queries
from service.stores.prometheus_alert import AlertQuestion, alert_questions
from service.stores.prometheus_intervals import Intervals, counting_query, intervals_of
from service.stores.prometheus_owner import namespace_of, own_labels, service_of
from service.stores.prometheus_questions import Question, counted_selectors, questions, recorded_questions
from service.stores.prometheus_series import FAMILIES, Family, Labels
from service.stores.prometheus_wire import Envelope, Matrix, Series, Vector
from service.telemetry import logger, ours

MOST_POINTS = 240
"""Points of a series at most: a longer window gets a wider step, and the server's own limit is never met."""
FEWEST_POINTS = 40
SAMPLES = 400_000
"""What one window should come to, about 12 MB."""
MOST_SAMPLES = 2_000_000
MOST_ALERT_SERIES = 500
COUNT_SHARE = 0.25
"""The part of a call's time after which series are asked for without having been counted."""
ALERT_SHARE = 0.25
"""The part of a call's time that the expression of an alert may take: others are not kept waiting for what a stranger
asks."""
MOST_WARNINGS = 3
LONGEST_WARNING = 200
SLOW_STEP_S = 100
"""The step, and a third of a rate's range, where a usual rate finds nothing and nobody knows the interval of scrapes: a
Prometheus itself looks back no longer than five minutes.
"""
MOST_NAMES = 6

T = TypeVar("T")


class PrometheusMetrics:
    """Answers for metrics.

    ``step_s`` is how far apart samples should be; of a job that is scraped more seldom, as far as its scrapes are.
    A question that the server refuses costs its own series, which the table's notes say; a server that answers nothing
    at all is a `BackendError`.
    What the rules of alerts look at comes beside, each series under the text of its expression.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        step_s: int = 15,
        labels: Labels | None = None,
        families: Sequence[Family] = FAMILIES,
    ) -> None:
        self._backend = backend
        self._step_s = step_s
        self._labels = labels or Labels()
        self._families = families

    async def metrics(self, window: Window, alerts: Sequence[Alert] = ()) -> pa.Table:
        """Samples of the window. Raises `BackendError` if the server cannot say what it has."""
        there = frozenset(await self._told(list[str], "GET", "/api/v1/label/__name__/values", _ends(window)))
        most, intervals = await gather(self._points(window, there), self._intervals(window, there))
        step_s = max(self._step_s, math.ceil(window.length.total_seconds() / most))
        asked = self._asked(there, step_s, intervals)
        of_alerts, answers = await gather(  # in this order: what may wait only briefly is first in line
            self._of_alerts(alerts, asked, window, step_s), self._answers(asked, window)
        )
        if asked and all(isinstance(answer, BackendError) for answer in answers):
            raise next(answer for answer in answers if isinstance(answer, BackendError))
        pairs = [(q, a) for q, a in zip(asked, answers, strict=True) if not isinstance(a, BackendError)]
        pairs += await self._slower(there, intervals, pairs, window)
        series = [_Answered(question, answer.content.result) for question, answer in pairs] + of_alerts.series
        notes = [*_failures(answers), *_warnings(answer for _, answer in pairs), *of_alerts.notes]
        notes += [*_silent([(q, a.content.result) for q, a in pairs], intervals), *_lacking(series, there)]
        return await aside(partial(self._read, series, notes, window))

    async def found(self) -> str:
        """What answers there, in one line: targets, series that mean something to us, labels that name whose they are.
        Raises `BackendError`.
        """
        now = datetime.now(UTC)
        hour = _ends(Window(now - timedelta(hours=1), now))
        told, names, labels = await gather(
            self._told(Vector, "POST", "/api/v1/query", {"query": "count(up)"}),
            self._told(list[str], "GET", "/api/v1/label/__name__/values", hour),
            self._told(list[str], "GET", "/api/v1/labels", hour),
        )
        targets = f"{told.result[0].value[1]:g}" if told.result else "no"
        known = len(self._asked(frozenset(names), self._step_s))
        guessed = {kind: _first_of(getattr(self._labels, kind), labels) for kind in ("service", "pod", "node", "peer")}
        by = (
            ", ".join(f"{kind} by {label}" for kind, label in guessed.items() if label)
            or "no label that names a service"
        )
        where = f"{self._backend.name} {self._backend.access.shown}"
        return f"{where}: {targets} targets, {known} questions of {len(names):,} names; {by}"

    def _read(self, answered: "Sequence[_Answered]", notes: Sequence[str], window: Window) -> pa.Table:
        rows = [row for one in answered for row in self._rows(one.question, one.series, one.whose)]
        queries = {one.question.metric: one.question.query for one in answered if one.series}
        return with_queries(with_notes(within(_table(rows), window), [*notes, *_cut(rows)]), queries)

    def _asked(self, there: Collection[str], step_s: int, intervals: Intervals | None = None) -> list[Question]:
        recorded = recorded_questions(self._families, there, self._labels, step_s)
        return [*questions(self._families, there, self._labels, step_s, intervals), *recorded]

    async def _points(self, window: Window, there: Collection[str]) -> int:
        """How many points of a series to ask for: as many as are good, but fewer where there are very many series."""
        if not (asked := self._asked(there, SLOW_STEP_S)):
            return MOST_POINTS
        counts = (f'label_replace(count({q.query}), "question", "{n}", "", "")' for n, q in enumerate(asked))
        counted = await self._instant(f"sum({' or '.join(counts)})", window)
        series = counted.result[0].value[1] if counted and counted.result else 1.0
        return max(FEWEST_POINTS, min(MOST_POINTS, int(SAMPLES / max(series, 1.0))))

    async def _intervals(self, window: Window, there: Collection[str]) -> Intervals:
        """How far apart the samples of each job are; nothing where the server does not say it in time."""
        selectors = counted_selectors(self._families, there)
        counted = await self._instant(counting_query(selectors), window) if selectors else None
        return {} if counted is None else intervals_of(counted, selectors)

    async def _instant(self, query: str, window: Window) -> Vector | None:
        """The values at the window's end; None where the server does not answer soon: it is done without."""
        parameters = {"query": query, "time": _ends(window)["end"]}
        try:
            async with asyncio.timeout(COUNT_SHARE * self._backend.patience_s):
                return await self._told(Vector, "POST", "/api/v1/query", parameters)
        except (BackendError, TimeoutError):
            return None

    async def _answers(self, asked: Sequence[Question], window: Window) -> "Sequence[Envelope[Matrix] | BackendError]":
        return await gather(*(self._series(question, window) for question in asked))

    async def _series(self, question: Question, window: Window) -> "Envelope[Matrix] | BackendError":
        parameters = _range(question, window)
        try:
            return await self._answer(Matrix, "POST", "/api/v1/query_range", parameters)
        except BackendError as error:
            logger("prometheus").warning("%s is left out: %s", question.metric, error)
            return error

    async def _slower(
        self,
        there: Collection[str],
        intervals: Intervals,
        pairs: "Sequence[tuple[Question, Envelope[Matrix]]]",
        window: Window,
    ) -> "list[tuple[Question, Envelope[Matrix]]]":
        """Rates over a long range, of what has none over a short one and of which no interval is known."""
        empty = {q.metric: q for q, answer in pairs if q.rated and not answer.content.result}
        families = {q.counted for q in empty.values() if not q.rare and q.counted not in intervals}
        again = [q for q in self._asked(there, SLOW_STEP_S) if q.counted in families and q.metric in empty]
        again = [q for q in again if q.step_s > empty[q.metric].step_s]
        answers = await self._answers(again, window)
        return [(q, a) for q, a in zip(again, answers, strict=True) if not isinstance(a, BackendError)]

    async def _of_alerts(
        self, alerts: Sequence[Alert], asked: Sequence[Question], window: Window, step_s: int
    ) -> "_OfAlerts":
        """What the rules of alerts look at, where it is not asked anyway, and notes on what there is none of."""
        questions, notes = alert_questions(alerts, self._labels)
        known = {question.metric for question in asked}
        new = [one for one in questions if one.question.metric not in known]
        paced = [replace(one.question, step_s=step_s) for one in new]
        answers = await gather(*(self._alert_series(question, window) for question in paced))
        told = _OfAlerts([], notes)
        for one, answer in zip(new, answers, strict=True):
            if isinstance(answer, BackendError):
                told.notes.append(f"an alert's own expression got no answer: {answer}")
                continue
            series = answer[:MOST_ALERT_SERIES]
            told.series.append(_Answered(one.question, series, partial(self._whose_alert, one)))
            if len(answer) > MOST_ALERT_SERIES:
                told.notes.append(f"{MOST_ALERT_SERIES} of {len(answer):,} series of an alert's expression looked at")
        return told

    async def _alert_series(self, question: Question, window: Window) -> "Sequence[Series] | BackendError":
        limit_s = ALERT_SHARE * self._backend.access.total_s
        parameters = _range(question, window) | {"timeout": f"{limit_s:g}s"}
        try:
            async with asyncio.timeout(limit_s):
                return (await self._told(Matrix, "POST", "/api/v1/query_range", parameters, retry=False)).result
        except TimeoutError:
            return self._backend.failure(f"did not answer within {limit_s:g} s")
        except BackendError as error:
            return error

    async def _told(
        self, model: type[T], method: str, path: str, parameters: Mapping[str, str], *, retry: bool = True
    ) -> T:
        """What is in the envelope."""
        return (await self._answer(model, method, path, parameters, retry=retry)).content

    async def _answer(
        self, model: type[T], method: str, path: str, parameters: Mapping[str, str], *, retry: bool = True
    ) -> "Envelope[T]":
        """Long queries go by POST, which every call but the list of names takes."""
        params, data = (parameters, None) if method == "GET" else (None, parameters)
        envelope = await self._backend.told(Envelope[model], method, path, params=params, data=data, retry=retry)
        if envelope.status != "success" or envelope.data is None:
            raise self._backend.failure(f"answered {path} with an error: {envelope.error or envelope.status}")
        return envelope

    def _rows(
        self, question: Question, series: "Sequence[Series]", whose_of: "_WhoseOf | None" = None
    ) -> Iterator["_Row"]:
        for one in series:
            whose = self._whose(question, one.metric) if whose_of is None else whose_of(one.metric)
            if whose is None:
                continue
            for at_s, value in one.values:
                number = value * question.scale
                if math.isfinite(number):
                    yield (round(at_s * 1e6), *whose, question.metric, question.unit, number)

    def _whose_alert(self, asked: AlertQuestion, labels: Mapping[str, str]) -> "_Whose | None":
        if not any(labels.get(name) for name in (*self._labels.owners, *self._labels.peer)):
            return (asked.service, "service", asked.service) if asked.service and not ours(asked.service) else None
        found = (self._whose(replace(asked.question, about=about), labels) for about in asked.abouts)
        return next((whose for whose in found if whose is not None), None)

    def _whose(self, question: Question, labels: Mapping[str, str]) -> "_Whose | None":
        """Component, its kind and its service; None where the labels name nobody."""
        labels = own_labels(labels, of_pods=question.of_pods)
        service, pod = service_of(labels, self._labels.service), _first(labels, self._labels.pod)
        if question.of_pods and pod:
            service = self._of_pod(labels, pod)
        if ours(names.parted(service)[1]):  # our own telemetry is no evidence
            return None
        if question.about == "node":
            node = _first(labels, self._labels.node)
            return (node, "node", "") if node else None
        if question.about == "edge":
            peer = _first(labels, self._labels.peer)
            return (f"{service}{EDGE_ARROW}{peer}", "edge", service) if service and peer else None
        if pod:
            return pod, "pod", service
        return (service, "service", service) if service else None

    def _of_pod(self, labels: Mapping[str, str], pod: str) -> str:
        """The service of a pod that an exporter tells of: its labels ``service`` and ``job`` are the exporter's own."""
        others = [name for name in self._labels.service if name not in ("service", "job", "container")]
        made = names.joined(namespace_of(labels), names.workload_of(pod))
        return service_of(labels, others) or made or service_of(labels, self._labels.service)


_Row = tuple[int, str, str, str, str, str, float]
_Whose = tuple[str, str, str]
_WhoseOf = Callable[[Mapping[str, str]], _Whose | None]


class _Answered(NamedTuple):
    """Series, and how to see whose they are, where that is not as ever."""

    question: Question
    series: Sequence[Series]
    whose: _WhoseOf | None = None


class _OfAlerts(NamedTuple):
    series: list[_Answered]
    notes: list[str]


def _first(labels: Mapping[str, str], names: Sequence[str]) -> str:
    return next((labels[name] for name in names if labels.get(name)), "")


def _first_of(names: Sequence[str], there: Collection[str]) -> str:
    return next((name for name in names if name in there), "")


def _ends(window: Window) -> dict[str, str]:
    return {"start": f"{window.start.timestamp():.3f}", "end": f"{window.end.timestamp():.3f}"}


def _range(question: Question, window: Window) -> dict[str, str]:
    """A VictoriaMetrics that may use its cache moves the window to multiples of the step, and its end is lost."""
    return {"query": question.query, **_ends(window), "step": str(question.step_s), "nocache": "1"}


def _failures(answers: "Sequence[Envelope[Matrix] | BackendError]") -> Iterator[str]:
    failed = [answer for answer in answers if isinstance(answer, BackendError)]
    if failed:
        yield f"{len(failed)} of {len(answers)} questions got no answer: {failed[0]}"


def _silent(pairs: Sequence[tuple[Question, Sequence[Series]]], intervals: Intervals) -> Iterator[str]:
    """What came back empty although there are series, which is how a question that does not fit them looks."""
    answered = {question.metric for question, series in pairs if series}
    there = [q.metric for q, _ in pairs if not q.rare and (not intervals or q.counted in intervals)]
    silent = [metric for metric in dict.fromkeys(there) if metric not in answered]
    if silent:
        more = f" and {len(silent) - MOST_NAMES} more" if len(silent) > MOST_NAMES else ""
        yield f"no sample came back of {', '.join(silent[:MOST_NAMES])}{more}, although there are such series"


def _lacking(asked: "Sequence[_Answered]", there: Collection[str]) -> Iterator[str]:
    """What exporters that are not there would have told."""
    if there and not asked:
        yield f"none of {len(there):,} names is one that is known: name yours in [metrics] families"
    if any(name.startswith("container_") for name in there) and not any(name.startswith("kube_") for name in there):
        yield "there is no kube-state-metrics: restarts of containers are not seen"


def _warnings(envelopes: "Iterable[Envelope[Matrix]]") -> list[str]:
    """What the server says of its own answers: a Thanos that did not reach all of its stores, say."""
    told = dict.fromkeys(warning for envelope in envelopes for warning in envelope.warnings)
    return [warning[:LONGEST_WARNING] for warning in told][:MOST_WARNINGS]


def _cut(rows: "list[_Row]") -> Iterator[str]:
    if len(rows) > MOST_SAMPLES:
        yield f"{len(rows):,} samples are more than {MOST_SAMPLES:,}: the last are left out"


def _table(rows: "list[_Row]") -> pa.Table:
    columns: Any = list(zip(*rows[:MOST_SAMPLES], strict=True)) if rows else [()] * len(METRICS.names)
    kinds: Any = METRICS.types
    arrays: Any = [pa.array(list(column), kind) for column, kind in zip(columns, kinds, strict=True)]
    return pa.table(arrays, schema=METRICS)
