from hypothesis import given
from hypothesis import strategies as st

from model_store.evaluate.bootstrap import compare, interval

values = st.lists(st.floats(0, 1, allow_nan=False), min_size=1, max_size=30)


@given(values)
def test_an_interval_lies_within_the_values_and_is_the_same_every_time(told: list[float]) -> None:
    clusters = [place % 4 for place in range(len(told))]
    first = interval(told, clusters)
    assert first is not None
    assert min(told) - 1e-9 <= first.low <= first.high <= max(told) + 1e-9
    assert first == interval(told, clusters)


def test_copies_of_one_fault_tell_no_more_than_one() -> None:
    outcomes = [1.0, 0.0, 1.0, 0.0]
    once = interval(outcomes, [0, 1, 2, 3])
    ten_times = interval(outcomes * 10, [0, 1, 2, 3] * 10)
    as_if_independent = interval(outcomes * 10, range(40))
    assert once is not None
    assert ten_times is not None
    assert as_if_independent is not None
    assert (ten_times.low, ten_times.high) == (once.low, once.high)
    assert as_if_independent.high - as_if_independent.low < once.high - once.low


def test_nothing_measured_has_no_interval() -> None:
    assert interval([], []) is None
    assert compare([], [], []) is None


def test_a_method_that_is_always_better_is_never_drawn_as_worse() -> None:
    told = compare([1.0, 1.0, 0.5], [0.0, 0.5, 0.0], "abc")
    assert told is not None
    assert told.difference.low > 0
    assert told.not_better == 0.0


def test_a_method_is_not_better_than_itself() -> None:
    told = compare([1.0, 0.0], [1.0, 0.0], "ab")
    assert told is not None
    assert (told.difference.mean, told.not_better) == (0.0, 1.0)
