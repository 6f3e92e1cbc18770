"""When it began: what the onset is told from, and what does not move it."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.evidence.assess import assess
from service.evidence.constants import ONSET_STEP_S
from service.evidence.onset import Onset, estimate_onset
from service.evidence.reading import read
from service.evidence.tables import Compared, Tables
from tests.evidence.traces import EMPTY_GRAPH, Did, call, compared, traces
from tests.telemetry_rows import Row, at, logs, metrics

BEGAN_S = 300
"""When it begins in the windows below, in seconds from noon, where they begin."""

AFTER_S = 60
"""How long they last after the alert."""

DELAYS_S = [20, 60, 120, 180]
"""How late alerts fire."""

RNG = np.random.default_rng(5)


@pytest.fixture(autouse=True)
def own_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test draws the same numbers, whichever ran before."""
    monkeypatch.setitem(globals(), "RNG", np.random.default_rng(5))


def _about(level: float, spread: float = 0.1) -> float:
    return float(level * RNG.lognormal(0, spread))


def _request(slowest_ms: float = 10) -> Did:
    """A request that goes from a to b and on to c, which takes so long."""
    did = Did("c", "find", _about(slowest_ms))
    for name in ("b", "a"):
        step = call(name, did, _about(1))
        did = Did(name, "get", step.ms + _about(10), (step,))
    return did


def _slow_since(began_s: int, end_s: int) -> Compared:
    """A request a second; from a moment on the last service takes long."""
    now = [_request(900 if second >= began_s else 10) for second in range(end_s)]
    return compared(now, [_request() for _ in range(300)])


def _written(prefix: str, seconds: range, body: str) -> list[Row]:
    """A line by the first span of the request of each of these seconds."""
    return [
        {"trace_id": f"{prefix}{s}", "span_id": f"{prefix}{s}-0", "body": body, "time": at(s / 60)} for s in seconds
    ]


def _sampled(component: str, seconds: range, stepped_s: float = np.inf) -> list[Row]:
    """A series with noise that rises at a moment to the fivefold."""
    return [
        {"component": component, "time": at(s / 60), "value": _about(50 if s >= stepped_s else 10, 0.05)}
        for s in seconds
    ]


def _series(stepped_s: float, end_s: int) -> Compared:
    pods = [f"p{number}" for number in range(3)]
    now = [row for pod in pods for row in _sampled(pod, range(0, end_s, 10), stepped_s)]
    return Compared(metrics(*now), metrics(*(row for pod in pods for row in _sampled(pod, range(-1200, -600, 10)))))


def _onset(
    alerted_s: float, spans: Compared | None = None, logs: Compared | None = None, metrics: Compared | None = None
) -> Onset:
    return estimate_onset(read(Tables(at(alerted_s / 60), spans, logs, metrics), EMPTY_GRAPH))


@pytest.mark.parametrize("delay_s", DELAYS_S)
def test_it_is_found_where_requests_became_slow(delay_s: int) -> None:
    alerted_s = BEGAN_S + delay_s
    onset = _onset(alerted_s, spans=_slow_since(BEGAN_S, alerted_s + AFTER_S))
    assert onset.seen
    assert abs(onset.likely_s + delay_s) <= 15


@pytest.mark.parametrize("delay_s", DELAYS_S)
def test_it_is_found_where_requests_began_to_fail(delay_s: int) -> None:
    alerted_s = BEGAN_S + delay_s
    now = [
        Did("a", "get", _about(10), status="error" if s >= BEGAN_S and s % 3 == 0 else "ok")
        for s in range(alerted_s + AFTER_S)
    ]
    onset = _onset(alerted_s, spans=compared(now, [Did("a", "get", _about(10)) for _ in range(300)]))
    assert onset.seen
    assert abs(onset.likely_s + delay_s) <= 15


@pytest.mark.parametrize("delay_s", [*DELAYS_S, 240])
def test_it_is_found_where_a_template_appeared(delay_s: int) -> None:
    alerted_s = BEGAN_S + delay_s
    end_s = alerted_s + AFTER_S
    spans = _slow_since(end_s, end_s)
    now = [*_written("now", range(end_s), "served"), *_written("now", range(BEGAN_S, end_s, 2), "ERROR no rows")]
    onset = _onset(alerted_s, spans=spans, logs=Compared(logs(*now), logs(*_written("before", range(300), "served"))))
    assert onset.seen
    assert abs(onset.likely_s + delay_s) <= 15


@pytest.mark.parametrize("delay_s", [*DELAYS_S, 240])
def test_it_is_found_where_series_stepped(delay_s: int) -> None:
    alerted_s = BEGAN_S + delay_s
    onset = _onset(alerted_s, metrics=_series(BEGAN_S, alerted_s + AFTER_S))
    assert onset.seen
    assert abs(onset.likely_s + delay_s) <= 15


@pytest.mark.parametrize("delay_s", [0, 60, 300, 500])
def test_however_late_the_alert_the_time_since_the_onset_holds_all_of_it_and_little_more(delay_s: int) -> None:
    alerted_s = BEGAN_S + delay_s
    onset = _onset(alerted_s, spans=_slow_since(BEGAN_S, max(alerted_s, BEGAN_S) + 120))
    assert onset.seen
    assert onset.earliest_s < onset.early_s <= -delay_s <= onset.early_s + 90
    assert onset.early_s <= onset.likely_s


@pytest.mark.parametrize("early_s", [10, 30, 60])
def test_an_alert_that_fired_before_it_began_does_not_hide_it(early_s: int) -> None:
    onset = _onset(BEGAN_S - early_s, spans=_slow_since(BEGAN_S, BEGAN_S + 120))
    assert onset.seen
    assert -30 <= onset.likely_s - early_s <= 15


@pytest.mark.parametrize("alerted_s", [60, 300, 450])
def test_where_nothing_changed_none_is_seen(alerted_s: int) -> None:
    end_s = 480
    lines = Compared(*(logs(*_written(p, range(n), "served")) for p, n in (("now", end_s), ("before", 300))))
    tables = Tables(at(alerted_s / 60), spans=_slow_since(end_s, end_s), logs=lines, metrics=_series(np.inf, end_s))
    assert not estimate_onset(read(tables, EMPTY_GRAPH)).seen
    assert assess(tables, EMPTY_GRAPH).onset is None


@pytest.mark.parametrize("alerted_s", [60, 240, 480])
def test_where_all_of_the_window_is_bad_none_is_seen_and_most_of_it_is_after_the_onset(alerted_s: int) -> None:
    onset = _onset(alerted_s, spans=_slow_since(0, alerted_s + 60))
    assert not onset.seen
    assert onset.early_s <= -alerted_s / 2


def test_one_component_with_thousands_of_new_templates_does_not_move_what_all_others_show() -> None:
    alerted_s, first_s = BEGAN_S + 60, 120
    end_s = alerted_s + AFTER_S
    talks, talked = (traces(f"talk-{when}", [Did("z", "talk")] * end_s) for when in ("now", "before"))
    others = _slow_since(BEGAN_S, end_s)
    spans = Compared(
        pa.concat_tables([others.now, talks.take([*range(0, end_s, 15)])]),
        pa.concat_tables([traces("before", [_request() for _ in range(300)]), talked]),
    )
    said: list[Row] = [
        {**row, "service": "z"}
        for statement in range(2000)
        for row in _written("talk-now", range(first_s, end_s, 15), f"ERROR Talk#{statement} failed")
    ]
    without = _onset(alerted_s, spans=spans)
    onset = _onset(alerted_s, spans=spans, logs=Compared(logs(*said), logs()))
    assert abs(without.likely_s + 60) <= 15
    assert abs(onset.likely_s - without.likely_s) <= 5


@given(st.floats(0, 30), st.sampled_from([1, 20]))
def test_one_more_row_at_the_windows_beginning_moves_nothing(earlier_s: float, rows: int) -> None:
    spans = compared([Did("a", "get", 10)] * 300 + [Did("a", "get", 900)] * 100, [Did("a", "get", 10)] * 300)
    more: list[Row] = [{"time": at(0) - timedelta(seconds=earlier_s)}] * rows
    one, other = _onset(360, spans=spans, logs=Compared(logs(*more), logs())), _onset(360, spans=spans)
    assert (one.early_s, one.likely_s, one.seen) == (other.early_s, other.likely_s, other.seen)
    assert one.earliest_s - other.earliest_s in (0, -ONSET_STEP_S)


def test_without_any_rows_it_is_told_by_how_late_alerts_are() -> None:
    onset = estimate_onset(read(Tables(at(10)), EMPTY_GRAPH))
    assert not onset.seen
    assert np.isfinite([onset.earliest_s, onset.early_s, onset.likely_s]).all()
