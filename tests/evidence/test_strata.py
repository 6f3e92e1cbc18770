import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.evidence.strata import quantiles, share_shift, time_shift

RNG = np.random.default_rng(1)


@pytest.fixture(autouse=True)
def own_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test draws the same numbers, whichever ran before."""
    monkeypatch.setitem(globals(), "RNG", np.random.default_rng(1))


COUNTS = st.integers(20, 200)


def _mixed(counts: tuple[int, int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Rows of two strata, now and before, in these numbers."""
    now = np.concatenate([np.full(counts[0] + counts[1], True), np.full(counts[2] + counts[3], False)])
    stratum = np.repeat([0, 1, 0, 1], counts).astype(np.int64)
    return now, stratum


@given(st.tuples(COUNTS, COUNTS, COUNTS, COUNTS))
def test_a_change_in_the_mix_of_requests_moves_no_share(counts: tuple[int, int, int, int]) -> None:
    now, stratum = _mixed(counts)
    shift = share_shift(now, stratum == 1, np.zeros_like(stratum), [stratum])
    assert shift.now[0] == pytest.approx(shift.before[0])
    assert abs(shift.score[0]) < 0.25  # not nothing: half a hit is added to either, and one is of fewer executions


@given(st.tuples(COUNTS, COUNTS, COUNTS, COUNTS))
def test_a_change_in_the_mix_of_requests_moves_no_duration(counts: tuple[int, int, int, int]) -> None:
    now, stratum = _mixed(counts)
    durations = np.where(stratum == 1, 100_000.0, 1_000.0)
    shift = time_shift(now, np.zeros_like(stratum), [stratum], durations, 1.0)
    assert abs(shift.score[0]) < 0.01


def test_a_share_that_rose_within_its_stratum_is_seen_through_the_mix() -> None:
    now, stratum = _mixed((100, 100, 100, 20))
    hit = now & (stratum == 1)
    assert share_shift(now, hit, np.zeros_like(stratum), [stratum]).score[0] > 5


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_the_score_of_a_share_has_the_sign_of_its_shift(before: float, after: float) -> None:
    now = np.repeat([True, False], 200)
    hit = np.concatenate([np.arange(200) < round(after * 200), np.arange(200) < round(before * 200)])
    shift = share_shift(now, hit, np.zeros(400, np.int64), [np.zeros(400, np.int64)])
    assert round(float(shift.score[0]), 6) * (round(after * 200) - round(before * 200)) >= 0


def test_a_tail_that_grew_is_seen_though_the_median_stands() -> None:
    before = RNG.lognormal(2, 0.2, 300)
    after = RNG.lognormal(2, 0.2, 300)
    after[::4] *= 30
    now = np.repeat([True, False], 300)
    zeros = np.zeros(600, np.int64)
    shift = time_shift(now, zeros, [zeros], np.concatenate([after, before]), 0.01)
    assert shift.score[0] > 5


def test_a_stratum_never_seen_before_is_compared_with_the_coarser_one() -> None:
    now = np.repeat([True, False], 50)
    fine = np.repeat([1, 0], 50).astype(np.int64)
    coarse = np.zeros(100, np.int64)
    shift = time_shift(now, coarse, [fine, coarse], np.where(now, 80.0, 10.0), 0.1)
    assert shift.score[0] > 5
    assert np.isnan(time_shift(now, coarse, [fine], np.where(now, 80.0, 10.0), 0.1).score[0])


def test_what_is_small_beside_the_floor_counts_little() -> None:
    now = np.repeat([True, False], 50)
    zeros = np.zeros(100, np.int64)
    durations = np.where(now, 4.0, 1.0)
    large = time_shift(now, zeros, [zeros], durations, 0.1).score[0]
    small = time_shift(now, zeros, [zeros], durations, 1000.0).score[0]
    assert large > 4
    assert small < 0.1


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 1e6)), min_size=1, max_size=60), st.floats(0, 0.99))
def test_a_quantile_is_one_of_its_groups_values(rows: list[tuple[int, float]], q: float) -> None:
    codes, values = np.array([r[0] for r in rows], np.int64), np.array([r[1] for r in rows])
    found, counts = quantiles(codes, values, 4, q)
    for code in range(4):
        own = values[codes == code]
        assert counts[code] == len(own)
        assert (found[code] in own) if len(own) else np.isnan(found[code])
