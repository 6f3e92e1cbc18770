from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric

from service.stores.embedded.metrics import MetricDecoder
from tests.stores.embedded.sending import NOON_NS, TIMES, attributes, resource

DELTA = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
SECOND = 10**9
BOUNDS = (0.1, 0.2, 0.4)


class Sender:
    """Sends metrics of one service to one decoder, time after time."""

    def __init__(self, **sender: object) -> None:
        self._decoder = MetricDecoder()
        self._sender = resource(**(sender or {"service_name": "a"}))
        self.rejected = 0
        self.why = ""

    def rows(self, *metrics: Metric) -> list[dict[str, Any]]:
        request = ExportMetricsServiceRequest()
        sent = request.resource_metrics.add(resource=self._sender)
        sent.scope_metrics.add(metrics=metrics)
        found = self._decoder.decode(request, TIMES)
        self.rejected, self.why = found.rejected, found.why
        return found.table.to_pylist()

    def values(self, *metrics: Metric) -> dict[str, float]:
        return {row["metric"]: row["value"] for row in self.rows(*metrics)}


def at_s(seconds: float, start_s: float | None = None) -> dict[str, int]:
    started = {} if start_s is None else {"start_time_unix_nano": NOON_NS + int(start_s * SECOND)}
    return {"time_unix_nano": NOON_NS + int(seconds * SECOND), **started}


def gauge(name: str = "cpu", seconds: float = 0, **values: float) -> Metric:
    """One point a keyword, told apart by the attribute ``which``."""
    metric = Metric(name=name, unit="1")
    for which, value in values.items():
        metric.gauge.data_points.add(**at_s(seconds), as_double=value, attributes=attributes({"which": which}))
    return metric


def counter(
    value: float, seconds: float, start_s: float | None = None, *, kind: Any = CUMULATIVE, **told: Any
) -> Metric:
    metric = Metric(name=told.pop("name", "requests"), unit=told.pop("unit", ""))
    metric.sum.is_monotonic = told.pop("monotonic", True)
    metric.sum.aggregation_temporality = kind
    metric.sum.data_points.add(**at_s(seconds, start_s), as_double=value, attributes=attributes(told.pop("of", {})))
    return metric


def merged(*metrics: Metric) -> Metric:
    """All points in one metric."""
    whole = Metric()
    for metric in metrics:
        whole.MergeFrom(metric)
    return whole


def histogram(
    counts: tuple[int, ...], total: float, seconds: float, start_s: float | None = None, **told: Any
) -> Metric:
    metric = Metric(name=told.pop("name", "http.server.request.duration"), unit="s")
    metric.histogram.aggregation_temporality = told.pop("kind", CUMULATIVE)
    metric.histogram.data_points.add(
        **at_s(seconds, start_s),
        count=sum(counts),
        sum=total,
        bucket_counts=counts,
        explicit_bounds=told.pop("bounds", BOUNDS),
        attributes=attributes(told.pop("of", {})),
    )
    return metric


def test_a_gauge_is_a_row_of_its_pod() -> None:
    (row,) = Sender(service_name="a", k8s_pod_name="a-1").rows(gauge(x=0.5))
    assert (row["component"], row["kind"], row["service"]) == ("a-1", "pod", "a")
    assert (row["metric"], row["unit"], row["value"]) == ("cpu", "1", 0.5)


def test_without_a_pod_it_is_of_the_service_and_without_a_service_of_the_node() -> None:
    (of_service,) = Sender(service_name="a").rows(gauge(x=1))
    (of_node,) = Sender(host_name="n").rows(gauge(x=1))
    assert (of_service["component"], of_service["kind"]) == ("a", "service")
    assert (of_node["component"], of_node["kind"], of_node["service"]) == ("n", "node", "")


def test_a_gauge_of_many_attributes_is_their_mean() -> None:
    assert Sender().values(gauge(x=1, y=3)) == {"cpu": 2}


def test_attributes_that_tell_parts_apart_stay_in_the_name() -> None:
    metric = Metric(name="pool")
    for state, value in (("used", 9), ("idle", 1)):
        metric.gauge.data_points.add(**at_s(0), as_int=value, attributes=attributes({"pool.state": state}))
    assert Sender().values(metric) == {"pool{pool.state=used}": 9, "pool{pool.state=idle}": 1}


def test_a_sum_that_can_fall_is_summed_up_over_its_attributes() -> None:
    points = [counter(n, 0, monotonic=False, name="active", of={"route": n}) for n in (2, 3)]
    assert Sender().values(merged(*points)) == {"active": 5}


def test_a_counter_is_told_as_its_rate() -> None:
    sender = Sender()
    assert sender.values(counter(1000, 0)) == {}
    assert sender.values(counter(1030, 10)) == {"requests.rate": 3}
    assert sender.rows(counter(1030, 20, unit="By"))[0]["unit"] == "By/s"


def test_a_young_counter_is_told_from_its_first_point() -> None:
    assert Sender().values(counter(30, 0, start_s=-10)) == {"requests.rate": 3}


def test_an_old_counter_is_silent_until_its_second_point() -> None:
    assert Sender().values(counter(1e6, 0, start_s=-3000)) == {}


@pytest.mark.parametrize("start_s", [None, 5.0])
def test_a_counter_that_began_anew_never_counts_backwards(start_s: float | None) -> None:
    sender = Sender()
    sender.rows(counter(1000, 0, start_s=None if start_s is None else -4000))
    assert all(value >= 0 for value in sender.values(counter(20, 10, start_s)).values())
    assert sender.values(counter(40, 20, start_s)) == {"requests.rate": 2}


def test_a_point_that_comes_late_or_twice_says_nothing() -> None:
    sender = Sender()
    sender.rows(counter(10, 0))
    sender.rows(counter(20, 10))
    assert sender.values(counter(20, 10)) == {}
    assert sender.values(counter(15, 5)) == {}
    assert sender.values(counter(30, 20)) == {"requests.rate": 1}


def test_counters_of_many_attributes_add_up_each_against_its_own_past() -> None:
    sender = Sender()
    sender.rows(merged(counter(100, 0, of={"route": "x"}), counter(900, 0, of={"route": "y"})))
    later = merged(counter(110, 10, of={"route": "x"}), counter(920, 10, of={"route": "y"}))
    assert sender.values(later) == {"requests.rate": 3}


def test_a_delta_needs_no_past_but_a_beginning() -> None:
    sender = Sender()
    assert sender.values(counter(30, 0, start_s=-10, kind=DELTA)) == {"requests.rate": 3}
    assert sender.values(counter(30, 10, kind=DELTA)) == {}
    assert (sender.rejected, sender.why) == (1, "a delta does not say since when")


def test_failures_are_told_by_the_status() -> None:
    points = [(60, 200), (30, 404), (10, 503)]
    sent = merged(*(counter(n, 0, -10, of={"http.response.status_code": code}) for n, code in points))
    assert Sender().values(sent) == {"requests.rate": 10, "requests.errors.rate": 1}


def test_a_histogram_is_told_as_rates_mean_and_quantiles_of_what_was_added() -> None:
    sender = Sender()
    assert sender.values(histogram((50, 0, 0, 50), 100, 0)) == {}
    found = sender.values(histogram((60, 10, 0, 50), 103, 10))
    assert found == {
        "http.server.request.count.rate": 2,
        "http.server.request.errors.rate": 0,
        "http.server.request.duration.mean": pytest.approx(0.15),
        "http.server.request.duration.p50": pytest.approx(0.1),
        "http.server.request.duration.p95": pytest.approx(0.19),
    }


def test_what_fell_into_the_open_bucket_counts_as_its_lower_edge() -> None:
    assert Sender().values(histogram((0, 0, 0, 8), 80, 0, -10))["http.server.request.duration.p95"] == 0.4


def test_a_histogram_into_which_nothing_fell_has_a_rate_and_no_quantile() -> None:
    sender = Sender()
    sender.rows(histogram((5, 0, 0, 0), 1, 0))
    assert set(sender.values(histogram((5, 0, 0, 0), 1, 10)).values()) == {0}


def test_failing_requests_are_counted_apart() -> None:
    fine, failed = histogram((8, 0, 0, 0), 1, 0, -10), histogram((2, 0, 0, 0), 1, 0, -10, of={"error.type": "timeout"})
    found = Sender().values(merged(fine, failed))
    assert (found["http.server.request.count.rate"], found["http.server.request.errors.rate"]) == (1, 0.2)


@pytest.mark.parametrize(
    "wrong", [{"bounds": (0.1,)}, {"bounds": (0.4, 0.2, 0.1)}, {"bounds": (0.1, 0.2, float("nan"))}]
)
def test_a_histogram_that_contradicts_itself_is_rejected(wrong: dict[str, Any]) -> None:
    sender = Sender()
    assert sender.rows(histogram((1, 1, 1, 1), 1, 0, -10, **wrong)) == []
    assert sender.rejected == 1


def test_a_histogram_without_buckets_still_has_a_mean() -> None:
    metric = Metric(name="size", unit="By")
    metric.histogram.aggregation_temporality = CUMULATIVE
    metric.histogram.data_points.add(**at_s(0, -10), count=10, sum=50)
    assert Sender().values(metric) == {"size.count.rate": 1, "size.mean": 5}


def exponential(scale: int, offset: int, counts: tuple[int, ...], seconds: float, start_s: float) -> Metric:
    metric = Metric(name="latency", unit="s")
    metric.exponential_histogram.aggregation_temporality = CUMULATIVE
    point = metric.exponential_histogram.data_points.add(**at_s(seconds, start_s), count=sum(counts), sum=1.0)
    point.scale = scale
    point.positive.offset = offset
    point.positive.bucket_counts.extend(counts)
    return metric


def test_an_exponential_histogram_is_told_alike() -> None:
    found = Sender().values(exponential(2, 0, (10, 0, 0, 0), 0, -10))  # all between 1 and 2^(1/4)
    assert found["latency.count.rate"] == 1
    assert 1 < found["latency.p50"] < 2**0.25


def test_an_exponential_histogram_may_change_its_scale() -> None:
    sender = Sender()
    sender.rows(exponential(4, 0, (10,), 0, -10))
    found = sender.values(exponential(2, 0, (10, 0, 0, 10), 10, -10))
    assert 2**0.75 <= found["latency.p50"] <= 2


def test_a_summary_is_told_by_its_quantiles() -> None:
    metric = Metric(name="rpc", unit="s")
    point = metric.summary.data_points.add(**at_s(0, -10), count=20, sum=10)
    for quantile, value in ((0.5, 0.4), (0.95, 0.9), (0.99, 1.5)):
        point.quantile_values.add(quantile=quantile, value=value)
    assert Sender().values(metric) == {"rpc.p50": 0.4, "rpc.p95": 0.9, "rpc.mean": 0.5, "rpc.count.rate": 2}


def test_a_point_of_another_age_is_rejected_and_the_others_kept() -> None:
    sender = Sender()
    assert sender.values(gauge("old", seconds=-86_400, x=1), gauge("now", x=1)) == {"now": 1}
    assert sender.rejected == 1
    assert "older" in sender.why


def test_what_is_no_number_or_says_that_there_is_none_is_no_row() -> None:
    absent = Metric(name="absent")
    absent.gauge.data_points.add(**at_s(0), flags=1)
    sender = Sender()
    assert sender.rows(gauge(x=float("nan")), absent, Metric(name="of no kind")) == []
    assert sender.rejected == 0


def test_metrics_of_hypocenter_itself_are_not_kept() -> None:
    assert Sender(service_name="hypocenter").rows(gauge(x=1)) == []


def test_a_status_code_that_is_none_says_nothing_of_failures() -> None:
    sent = counter(5, 0, -10, of={"http.response.status_code": "9" * 5000})
    assert Sender().values(sent) == {"requests.rate": 0.5}
