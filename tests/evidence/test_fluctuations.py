import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.component import service
from service.domain.evidence import Evidence
from service.evidence.fluctuations import metric_evidence, peers_of, read_series
from service.evidence.stretch import WHOLE, Stretch
from service.evidence.tables import Compared
from tests.evidence.traces import shown
from tests.telemetry_rows import Row, at, metrics

ALERT_US = round(at(10).timestamp() * 1e6)
RNG = np.random.default_rng(3)


@pytest.fixture(autouse=True)
def own_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test draws the same numbers, whichever ran before."""
    monkeypatch.setitem(globals(), "RNG", np.random.default_rng(3))


def _series(before: list[float], now: list[float], **names: object) -> tuple[list[Row], list[Row]]:
    earlier: list[Row] = [{"time": at(-40 + i), "value": v} | names for i, v in enumerate(before)]
    later: list[Row] = [{"time": at(i), "value": v} | names for i, v in enumerate(now)]
    return earlier, later


def _noise(level: float, number: int) -> list[float]:
    return [float(v) for v in level * RNG.normal(1, 0.05, number)]


def _evidence(
    *series: tuple[list[Row], list[Row]], after: Stretch = WHOLE, reference: Stretch | None = None
) -> list[Evidence]:
    before = [row for earlier, _ in series for row in earlier]
    now = [row for _, later in series for row in later]
    return metric_evidence(peers_of(read_series(Compared(metrics(*now), metrics(*before)), ALERT_US)), after, reference)


def test_a_step_is_flagged_with_its_size_and_when_it_began() -> None:
    (row,) = _evidence(_series(_noise(10, 30), [*_noise(10, 6), *_noise(50, 5)]), after=Stretch(-240))
    assert row.score > 20
    assert 4 < row.now / (row.before or 1) < 6
    assert row.began_s == -240


def test_noise_is_not() -> None:
    assert [r for r in _evidence(_series(_noise(10, 30), _noise(10, 11))) if r.score > 4] == []


def test_one_wild_sample_in_the_baseline_does_not_hide_a_step() -> None:
    (row,) = _evidence(_series([*_noise(10, 28), 500.0, 480.0], _noise(60, 8)))
    assert row.score > 10


def test_a_counter_is_read_as_its_rate_and_survives_a_restart() -> None:
    before = list(np.cumsum(_noise(60, 30)))
    now = [*np.cumsum(_noise(60, 5)), *np.cumsum(_noise(60, 5))]
    (row,) = _evidence(_series([float(v) for v in before], [float(v) for v in now], metric="requests_total"))
    assert shown([row]) == []
    assert row.now == pytest.approx(1, rel=0.1)


def test_what_all_pods_do_together_is_held_against_none_of_them() -> None:
    pods = [_series(_noise(10, 30), _noise(30, 8), component=f"p{i}") for i in range(6)]
    assert [r for r in _evidence(*pods) if r.score > 15] == []


def test_who_does_more_than_its_peers_stands_out() -> None:
    pods = [_series(_noise(10, 30), _noise(12, 8), component=f"p{i}") for i in range(6)]
    rows = _evidence(*pods, _series(_noise(10, 30), _noise(90, 8), component="worst"))
    assert max(rows, key=lambda r: r.score).component.name == "worst"


def test_impact_is_counted_in_what_is_usual_among_peers() -> None:
    pods = [_series(_noise(10, 30), _noise(10, 8), component=f"p{i}") for i in range(6)]
    small = _series(_noise(0.01, 30), _noise(0.1, 8), component="small")
    rows = [r for r in _evidence(*pods, small) if r.component.name == "small"]
    assert [round(r.impact or 9, 2) for r in rows] == [0.01]


def test_without_a_baseline_nothing_is_flagged() -> None:
    assert _evidence(_series([], _noise(10, 10))) == []


@given(st.lists(st.floats(-1e12, 1e12), max_size=12), st.lists(st.floats(-1e12, 1e12), max_size=12))
def test_any_samples_give_finite_scores(before: list[float], now: list[float]) -> None:
    for row in _evidence(_series(before, now)):
        assert 0 <= row.score <= 99
        assert row.error > 0
        assert np.isfinite([row.now, row.shift, row.error]).all()


def test_samples_that_are_no_numbers_are_left_out() -> None:
    (row,) = _evidence(_series([*_noise(10, 20), float("nan")], [float("inf"), *_noise(80, 6)]))
    assert np.isfinite(row.now)


def test_series_of_a_kind_that_nobody_knows_belong_to_their_service() -> None:
    (row,) = _evidence(_series(_noise(10, 30), _noise(90, 8), component="a-1/app", kind="container"))
    assert row.component == service("a")


def test_samples_beyond_all_reason_do_not_overflow() -> None:
    extremes = [1.7e308, -1.7e308] * 10
    for row in [*_evidence(_series(extremes, extremes[:7])), *_evidence(_series(_noise(10, 20), extremes))]:
        assert 0 <= row.score <= 99
        assert np.isfinite([row.now, row.before or 0.0, row.impact or 0.0, row.shift, row.error]).all()


@given(st.floats(0.5, 1e6), st.floats(1.0, 1e6))
def test_a_larger_step_is_a_larger_shift_however_large(first: float, times: float) -> None:
    small, large = (_evidence(_series([10.0] * 20, [10 + step] * 6))[0].shift for step in (first, first * (1 + times)))
    assert 0 < small < large


@given(st.floats(0.1, 1e3), st.floats(0.1, 1e3))
def test_a_shift_has_the_sign_of_the_step(before: float, now: float) -> None:
    (row,) = _evidence(_series([before] * 20, [now] * 6))
    assert np.sign(round(row.shift, 9)) in (0, np.sign(now - before))


def test_what_was_so_in_the_time_that_it_is_compared_with_did_not_move() -> None:
    series = _series(_noise(10, 30), _noise(50, 11))
    ((new,), (old,)) = (_evidence(series, after=Stretch(-240), reference=r) for r in (None, Stretch(end_s=-240)))
    assert new.shift > 1
    assert shown([old]) == []


def test_a_series_with_one_sample_in_five_minutes_is_compared() -> None:
    coarse: list[Row] = [{"time": at(-40 + 5 * i), "value": 10.0 + i % 2} for i in range(7)]
    now: list[Row] = [{"time": at(5 * i), "value": v} for i, v in enumerate((10.0, 11.0, 60.0))]
    (one,) = _evidence((coarse, now), after=Stretch(-120))
    assert (one.n_now, one.now) == (1, 60.0)
    assert shown([one])


def test_a_series_without_a_sample_since_speaks_by_its_last_one_but_not_of_a_time_that_is_over() -> None:
    series = _series(_noise(10, 30), [10.0, 11.0, 60.0])
    (row,) = _evidence(series, after=Stretch(-60))
    assert (row.n_now, row.now) == (1, 60.0)
    assert _evidence(series, after=Stretch(-60, 0)) == []


def test_two_samples_before_are_no_baseline() -> None:
    assert _evidence(_series([10.0, 11.0], [60.0] * 8)) == []
    assert len(_evidence(_series([10.0, 11.0, 10.0], [60.0] * 8))) == 1


def test_from_nothing_to_next_to_nothing_is_no_large_step() -> None:
    def shift(now: float, unit: str) -> float:
        return _evidence(_series([0.0] * 30, [now] * 8, unit=unit))[0].shift

    assert shift(0.02, "cores") < 0.5 < 3 < shift(2, "cores")
    assert shift(20, "millicores") == pytest.approx(shift(0.02, "cores"))


def test_beside_peers_a_step_is_measured_by_what_they_usually_have() -> None:
    def shift(usual: float) -> float:
        pods = [_series([usual] * 30, [usual] * 8, component=f"p{i}") for i in range(6)]
        rows = _evidence(*pods, _series([usual / 100] * 30, [usual / 10] * 8, component="small"))
        return next(row.shift for row in rows if row.component.name == "small")

    assert shift(1e3) == pytest.approx(shift(1e6))
    assert shift(1e3) < 0.5
