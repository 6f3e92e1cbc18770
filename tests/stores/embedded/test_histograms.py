from collections.abc import Hashable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.metrics.v1.metrics_pb2 import ExponentialHistogramDataPoint

from service.stores.embedded.histograms import AT_MOST_ZERO, COUNT, Explicit, Exponential, exponential, quantiles
from service.stores.embedded.increases import TOTAL, Increases

COUNTS = st.dictionaries(st.integers(0, 5), st.integers(0, 1000).map(float))


@given(COUNTS, st.lists(st.floats(0, 1), min_size=2, max_size=5))
def test_quantiles_lie_within_the_buckets_and_rise(counts: dict[Hashable, float], shares: list[float]) -> None:
    found = quantiles(Explicit((1.0, 2.0, 5.0, 10.0, 20.0)), counts, sorted(shares))
    assert found == sorted(found)
    assert all(0 <= value <= 20 for value in found)
    assert bool(found) == any(counts.values())


def test_a_first_bound_below_zero_has_no_width() -> None:
    assert quantiles(Explicit((-5.0, 0.0)), {0: 3.0}, [0.5]) == [-5.0]


def test_what_is_not_positive_is_zero() -> None:
    point = ExponentialHistogramDataPoint(scale=2, zero_count=9, count=10, sum=1)
    point.positive.bucket_counts.append(1)
    buckets, counts = exponential(point)
    assert counts == {AT_MOST_ZERO: 9, 0: 1, COUNT: 10, TOTAL: 1}
    assert quantiles(buckets, counts, [0.5]) == [0]


@given(st.integers(-10, 20), st.integers(-(2**31), 2**31 - 1))
def test_a_bucket_of_any_scale_finds_its_place_on_the_grid(scale: int, offset: int) -> None:
    point = ExponentialHistogramDataPoint(scale=scale, count=1, sum=1)
    point.positive.offset = offset
    point.positive.bucket_counts.append(1)
    buckets, counts = exponential(point)
    (value,) = quantiles(buckets, counts, [0.5])
    assert isinstance(buckets, Exponential)
    exponent = (offset + 1) * 2.0**-scale
    if -200 < exponent < 200:
        assert value <= 2.0**exponent * (1 + 1e-9) * 2**0.25


@given(st.lists(st.tuples(st.integers(1, 100), st.floats(0, 1e6)), min_size=1, max_size=30))
def test_increases_are_never_negative_and_add_up(told: list[tuple[int, float]]) -> None:
    increases, now_ns, level, added = Increases(), 0, 0.0, 0.0
    for seconds, more in told:
        now_ns += seconds * 10**9
        level += more
        increase = increases.since_last("series", 0, now_ns, {COUNT: level})
        if increase is not None:
            assert increase.values[COUNT] >= 0
            added += increase.values[COUNT]
    assert added == pytest.approx(level - told[0][1], abs=1e-3)


def test_the_series_that_was_silent_longest_is_forgotten_first() -> None:
    increases = Increases(most_series=2)
    for second, series in enumerate(("x", "y", "x", "z")):
        increases.since_last(series, 0, second * 10**9, {COUNT: 1})
    assert increases.since_last("x", 0, 9 * 10**9, {COUNT: 2}) is not None
    assert increases.since_last("y", 0, 9 * 10**9, {COUNT: 2}) is None
