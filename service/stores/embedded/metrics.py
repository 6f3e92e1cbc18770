"""OTLP's metrics as rows of `METRICS`.

What becomes of a metric called ``m``, for each component and time:

- a gauge: ``m``, the mean over its attributes; a sum that can fall: ``m``, the sum over them;
- a sum that only grows: ``m.rate`` per second, and ``m.errors.rate`` where its attributes tell of failures;
- a histogram (explicit or exponential buckets): ``m.mean``, ``m.p50``, ``m.p95`` of what was added since its last
  point, ``stem.count.rate`` and, where its attributes tell of failures, ``stem.errors.rate``, per second; ``stem`` is
  ``m`` without a last word that says duration;
- a summary: ``m.mean``, ``m.p50``, ``m.p95`` and ``stem.count.rate``.

Rows have no attributes: those that say which part of a resource is meant (`APART`) stay in the name, as in
``m{state=used}``; over all others it is summed up. The component is the pod where one is known, else the service,
else the node.
"""

from collections.abc import Hashable, Iterable, Iterator
from typing import TypeVar

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    SummaryDataPoint,
)

from service.domain.component import ComponentKind
from service.stores.embedded.decoded import Acceptable, Decoded
from service.stores.embedded.histograms import COUNT, Buckets, explicit, exponential
from service.stores.embedded.increases import TOTAL, Increase, Increases, of_delta
from service.stores.embedded.origin import Origin, origin_of, text_of
from service.stores.embedded.sheet import QUANTILES, Row, Sheet
from service.telemetry import NAME

APART = frozenset({"state", "mode", "direction"})
"""Last words of the attributes that tell parts of a resource apart (used and idle, sent and received)."""

STATUS_CODES = ("http.response.status_code", "http.status_code", "rpc.grpc.status_code")
ERROR_TYPE = "error.type"
TIMED = ".duration"
"""Conventions give such metrics an error type only when there is one: without it, nothing failed."""

DELTA = 1
NO_VALUE = 1
"""The flag of a point that says that there is none."""

Point = NumberDataPoint | HistogramDataPoint | ExponentialHistogramDataPoint | SummaryDataPoint
P = TypeVar("P", NumberDataPoint, HistogramDataPoint, ExponentialHistogramDataPoint, SummaryDataPoint)


class MetricDecoder:
    """Decodes metrics. Cumulative ones need the points before: one decoder, one thread."""

    def __init__(self) -> None:
        self._increases = Increases()

    def decode(self, request: ExportMetricsServiceRequest, times: Acceptable) -> Decoded:
        """Rows of `METRICS`. A point is rejected if its time is not acceptable or it contradicts itself; a metric of
        no known kind is taken and not kept, and so are hypocenter's own.
        """
        reading = _Reading(times, self._increases)
        for sent in request.resource_metrics:
            origin = origin_of(sent.resource)
            if origin.service != NAME:
                for scope in sent.scope_metrics:
                    for metric in scope.metrics:
                        reading.add(metric, origin)
        return reading.sheet.decoded()


class _Reading:
    """One request on its way to rows."""

    def __init__(self, times: Acceptable, increases: Increases) -> None:
        self.sheet = Sheet()
        self._times = times
        self._increases = increases

    def add(self, metric: Metric, origin: Origin) -> None:
        """Take the points of one metric."""
        match metric.WhichOneof("data"):
            case "gauge":
                for point in self._good(metric.gauge.data_points):
                    self.sheet.average(_row(metric, origin, point), _number(point))
            case "sum":
                for point in self._good(metric.sum.data_points):
                    self._add_number(metric, origin, point)
            case "histogram":
                for point in self._good(metric.histogram.data_points):
                    self._add_explicit(metric, origin, point)
            case "exponential_histogram":
                for point in self._good(metric.exponential_histogram.data_points):
                    delta = metric.exponential_histogram.aggregation_temporality == DELTA
                    self._add_histogram(_row(metric, origin, point), origin, point, exponential(point), delta=delta)
            case "summary":
                for point in self._good(metric.summary.data_points):
                    self._add_summary(_row(metric, origin, point), origin, point)
            case _:
                pass

    def _good(self, points: Iterable[P]) -> Iterator[P]:
        for point in points:
            if not self._times.has(point.time_unix_nano // 1000):
                self.sheet.reject("a point's time is missing, older than what is kept, or in the future")
            elif not point.flags & NO_VALUE:
                yield point

    def _add_number(self, metric: Metric, origin: Origin, point: NumberDataPoint) -> None:
        row, delta = _row(metric, origin, point), metric.sum.aggregation_temporality == DELTA
        if not metric.sum.is_monotonic:
            if not delta:  # changes of a level whose beginning nobody told are of no use
                self.sheet.plus(row, _number(point))
            return
        increase = self._increase(row, origin, point, {COUNT: _number(point)}, delta=delta)
        if increase is None:
            return
        per_s = increase.values[COUNT] / increase.seconds
        name = row.metric.replace("_total", "")
        self.sheet.plus(row.named(f"{name}.rate", f"{row.unit or '1'}/s"), per_s)
        if (failed := _failed(point.attributes)) is not None:
            self.sheet.plus(row.named(f"{name}.errors.rate", "1/s"), per_s if failed else 0.0)

    def _add_explicit(self, metric: Metric, origin: Origin, point: HistogramDataPoint) -> None:
        read, delta = explicit(point), metric.histogram.aggregation_temporality == DELTA
        if read is None:
            self.sheet.reject("a histogram's counts and bounds do not belong together")
        else:
            self._add_histogram(_row(metric, origin, point), origin, point, read, delta=delta)

    def _add_histogram(
        self,
        row: Row,
        origin: Origin,
        point: HistogramDataPoint | ExponentialHistogramDataPoint,
        read: tuple[Buckets, dict[Hashable, float]],
        *,
        delta: bool,
    ) -> None:
        buckets, counts = read
        increase = self._increase(row, origin, point, counts, delta=delta)
        if increase is not None:
            failed = _failed(point.attributes)
            if failed is None and row.metric.endswith(TIMED):
                failed = False
            self.sheet.measured(row, buckets, increase, failed=failed)

    def _add_summary(self, row: Row, origin: Origin, point: SummaryDataPoint) -> None:
        """Its quantiles are of a time that only the sender knows; of several the mean must do."""
        for told in point.quantile_values:
            if told.quantile in QUANTILES:
                self.sheet.average(row.named(f"{row.metric}.{QUANTILES[told.quantile]}"), told.value)
        counts: dict[Hashable, float] = {COUNT: float(point.count), TOTAL: point.sum}
        increase = self._increase(row, origin, point, counts, delta=False)
        if increase is not None:
            self.sheet.counted(row, increase, failed=_failed(point.attributes))
            if (count := increase.values[COUNT]) > 0:
                self.sheet.average(row.named(f"{row.metric}.mean"), increase.values[TOTAL] / count)

    def _increase(
        self, row: Row, origin: Origin, point: Point, counts: dict[Hashable, float], *, delta: bool
    ) -> Increase | None:
        start_ns, time_ns = point.start_time_unix_nano, point.time_unix_nano
        if not delta:
            exactly = tuple(sorted((pair.key, text_of(pair.value)) for pair in point.attributes))
            return self._increases.since_last((origin, row.metric, exactly), start_ns, time_ns, counts)
        increase = of_delta(start_ns, time_ns, counts)
        if increase is None:
            self.sheet.reject("a delta does not say since when")
        return increase


def _row(metric: Metric, origin: Origin, point: Point) -> Row:
    component, kind = _component(origin)
    apart = sorted((pair.key, text_of(pair.value)) for pair in point.attributes if _tells_apart(pair))
    part = f"{{{','.join(f'{key}={value}' for key, value in apart)}}}" if apart else ""
    time_us = point.time_unix_nano // 1000
    return Row(time_us, component, kind.value, origin.service, f"{metric.name}{part}", metric.unit)


def _component(origin: Origin) -> tuple[str, ComponentKind]:
    if not origin.service:
        return origin.node, ComponentKind.NODE
    return (origin.pod, ComponentKind.POD) if origin.pod else (origin.service, ComponentKind.SERVICE)


def _tells_apart(pair: KeyValue) -> bool:
    return pair.key.rpartition(".")[2] in APART


def _number(point: NumberDataPoint) -> float:
    return float(point.as_int) if point.WhichOneof("value") == "as_int" else point.as_double


def _failed(attributes: Iterable[KeyValue]) -> bool | None:
    """Whether the point counts what failed; None if its attributes do not tell. Conventions call a client's 404 an
    error; it is the caller's, so that a status code decides where there is one.
    """
    told = {pair.key: text_of(pair.value) for pair in attributes if pair.key in (*STATUS_CODES, ERROR_TYPE)}
    for key in STATUS_CODES:
        if (code := told.get(key, "")).isdecimal() and len(code) <= 3:
            return int(code) >= 500 if key.startswith("http") else int(code) != 0
    return True if told.get(ERROR_TYPE) else None
