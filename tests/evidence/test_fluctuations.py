import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.component import service
from service.domain.evidence import Evidence
from service.evidence.fluctuations import metric_evidence
from service.evidence.tables import Compared
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


def _evidence(*series: tuple[list[Row], list[Row]]) -> list[Evidence]:
    before = [row for earlier, _ in series for row in earlier]
    now = [row for _, later in series for row in later]
    return metric_evidence(Compared(metrics(*now), metrics(*before)), ALERT_US)


def test_a_step_is_flagged_with_its_size_and_when_it_began() -> None:
    (row,) = _evidence(_series(_noise(10, 30), [*_noise(10, 6), *_noise(50, 5)]))
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
    assert _evidence(_series([float(v) for v in before], [float(v) for v in now], metric="requests_total")) == []


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
        assert np.isfinite(row.now)


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
        assert np.isfinite([row.now, row.before or 0.0, row.impact or 0.0]).all()
