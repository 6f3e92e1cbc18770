"""That a recorded past, told as exporters tell it, says what was recorded; what it costs is for a command to say."""

import re
from collections.abc import Mapping
from datetime import timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_store.bench_adapters.exposition import BOUNDS_MS, grown, openmetrics
from model_store.bench_adapters.measure import SETS, table
from service.ports import METRICS
from tests.telemetry_rows import NOON

STEP_S = 5


def past(values: Mapping[str, float], unit: str = "s") -> pa.Table:
    """A pod of which these were recorded for a while."""
    return pa.Table.from_pylist(
        [
            {"time": NOON + timedelta(seconds=STEP_S * n), "component": "cart-0", "kind": "pod", "service": "cart",
             "metric": metric, "unit": unit, "value": value}
            for metric, value in values.items()
            for n in range(6)
        ],
        schema=METRICS,
    )  # fmt: skip


def last(told: str, series: str) -> list[float]:
    """The last values of the series whose name and labels match."""
    found: dict[str, float] = {}
    for line in told.splitlines()[:-1]:
        name, value, _ = line.rsplit(" ", 2)
        if re.search(series, name):
            found[name] = float(value)
    return list(found.values())


def quantile(counts: list[float], wanted: float) -> float:
    """As Prometheus has it of buckets, in the unit of the bounds."""
    rank, below, lower = wanted * counts[-1], 0.0, 0.0
    for bound, count in zip(BOUNDS_MS, counts, strict=False):
        if count >= rank:
            return lower + (bound - lower) * (rank - below) / (count - below)
        below, lower = count, bound
    return BOUNDS_MS[-1]


@given(st.floats(1, 9_000))
def test_a_histogram_has_the_percentile_that_was_recorded(p90_ms: float) -> None:
    told = openmetrics(past({"http_server_requests": 4.0, "http_server_request_duration_p90": p90_ms / 1000}))
    counts = last(told, "_bucket")
    assert counts == sorted(counts)
    assert quantile(counts, 0.9) == pytest.approx(p90_ms, rel=1e-3)


def test_failures_are_a_part_of_the_requests() -> None:
    told = openmetrics(past({"http_server_requests": 4.0, "http_server_errors": 1.0}))
    ok, failed = last(told, '_count.*"200"'), last(told, '_count.*"503"')
    assert ok[0] == pytest.approx(3 * failed[0])


@given(st.lists(st.floats(0, 1e6), min_size=2))
def test_counters_only_grow_and_by_the_recorded_rate(rates: list[float]) -> None:
    values = [value for _, value in grown([(STEP_S * n, rate) for n, rate in enumerate(rates)])]
    assert values == sorted(values)
    assert values[-1] == pytest.approx(STEP_S * sum(rates[1:]))


@pytest.mark.slow
def test_every_server_has_its_row() -> None:
    lines = [line for line in table([5]) if line.startswith("| 5 ")]
    assert len(lines) in {sum(len(names) + 1 for names in SETS), sum(len(names) for names in SETS)}
    assert all(int(line.split("|")[3]) > 0 for line in lines)
