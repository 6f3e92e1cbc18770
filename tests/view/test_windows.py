from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.alert import Alert
from service.domain.evidence import Signal
from service.domain.window import Window
from service.view.windows import LiveWindows, Sighting

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
LIVE = LiveWindows()


def minutes(n: float) -> timedelta:
    return timedelta(minutes=n)


def sighting(*ago: timedelta, others: tuple[Window, ...] = ()) -> Sighting:
    return Sighting("inc", "", tuple(Alert(f"f{n}", NOW - a) for n, a in enumerate(ago)), others=others)


def test_what_is_under_suspicion_begins_before_the_first_alert_and_ends_now() -> None:
    incident = LIVE.incident(sighting(minutes(5), minutes(20)), NOW)
    assert incident.window == Window(NOW - minutes(30), NOW)


def test_the_hour_before_is_held_for_healthy_for_every_signal() -> None:
    incident = LIVE.incident(sighting(minutes(5)), NOW)
    assert set(incident.baselines) == {Signal.TRACES, Signal.LOGS, Signal.METRICS}
    assert set(incident.baselines.values()) == {Window(NOW - minutes(75), NOW - minutes(15))}


def test_the_time_of_other_incidents_is_not_held_for_healthy() -> None:
    other = Window(NOW - minutes(50), NOW - minutes(40))
    incident = LIVE.incident(sighting(minutes(5), others=(other,)), NOW)
    assert incident.baselines[Signal.LOGS] == Window(NOW - minutes(40), NOW - minutes(15))


def test_where_the_hour_before_is_not_healthy_yesterday_s_is_taken() -> None:
    other = Window(NOW - minutes(80), NOW)
    incident = LIVE.incident(sighting(minutes(5), others=(other,)), NOW)
    assert incident.baselines[Signal.LOGS] == Window(NOW - minutes(75) - timedelta(days=1), NOW - minutes(15 + 24 * 60))


def test_where_nothing_is_known_to_be_healthy_there_is_no_baseline() -> None:
    others = tuple(Window(NOW - ago, NOW) for ago in (minutes(80), minutes(80) + timedelta(days=1)))
    assert LIVE.incident(sighting(minutes(5), others=others), NOW).baselines == {}


@pytest.mark.parametrize("ago", [timedelta(hours=5), timedelta(hours=26), timedelta(days=20)])
def test_what_has_fired_for_long_moves_neither_the_window_nor_the_baseline(ago: timedelta) -> None:
    alone, other = LIVE.incident(sighting(minutes(5)), NOW), Window(NOW - ago, NOW)
    for beside in (sighting(minutes(5), others=(other,)), sighting(ago, minutes(5)), sighting(minutes(5), ago)):
        incident = LIVE.incident(beside, NOW)
        assert (incident.window, incident.baselines) == (alone.window, alone.baselines)
        assert incident.alerted_at == NOW - minutes(5)


def test_what_is_looked_at_begins_at_what_is_new_and_the_rest_is_context() -> None:
    """An hour's difference is not needed where it is known what is new; what began just before belongs to it."""
    new = NOW - minutes(5)
    incident = LIVE.incident(replace(sighting(minutes(5), minutes(12), minutes(40)), since=new), NOW)
    assert [alert.fingerprint for alert in incident.alerts] == ["f0", "f1"]
    assert incident.window == Window(NOW - minutes(22), NOW)
    assert incident.notes == ("alerts: what fired before is context, and not looked into: an alert of no service",)


def test_what_is_asked_for_may_be_the_old_alert() -> None:
    old = NOW - timedelta(hours=26)
    incident = LIVE.incident(replace(sighting(timedelta(hours=26), minutes(5)), since=old), NOW)
    assert (incident.window.start, incident.alerted_at) == (old - LIVE.lead, old)


def test_a_new_alert_that_ended_is_looked_at_beside_an_old_one_that_still_fires() -> None:
    ended = Alert("new", NOW - minutes(5), NOW - minutes(2))
    both = replace(sighting(timedelta(hours=26)), alerts=(*sighting(timedelta(hours=26)).alerts, ended))
    assert LIVE.incident(both, NOW).alerts == (ended,)


@given(st.lists(st.tuples(st.integers(-60, 3000), st.booleans()), min_size=1, max_size=6))
def test_the_newest_alert_is_always_looked_at(began: list[tuple[int, bool]]) -> None:
    alerts = [Alert(f"f{n}", NOW - minutes(ago), None if fires else NOW) for n, (ago, fires) in enumerate(began)]
    incident = LIVE.incident(Sighting("inc", "", tuple(alerts)), NOW)
    newest = max(alerts, key=lambda alert: alert.starts_at)
    assert newest in incident.alerts
    assert incident.window.start <= min(newest.starts_at, NOW) <= incident.window.end


def test_a_window_that_somebody_chose_stands() -> None:
    chosen = Window(NOW - timedelta(hours=9), NOW - timedelta(hours=8))
    incident = LIVE.incident(Sighting("inc", "", (), chosen), NOW)
    assert incident.window == chosen
    assert incident.baselines[Signal.TRACES].end == chosen.start


IMPOSSIBLE = [timedelta(days=-400), timedelta(days=9000), timedelta(0), NOW - datetime.min.replace(tzinfo=UTC)]


@pytest.mark.parametrize("ago", IMPOSSIBLE)
def test_an_alert_with_an_impossible_time_still_gets_a_window(ago: timedelta) -> None:
    window = LIVE.incident(sighting(ago), NOW).window
    assert window.end <= NOW
    assert timedelta(0) < window.length <= LIVE.longest


@given(st.lists(st.tuples(st.integers(-200, 200), st.integers(1, 120)), max_size=6))
def test_a_baseline_touches_neither_the_window_nor_another_incident(spans: list[tuple[int, int]]) -> None:
    others = tuple(Window(NOW - minutes(a), NOW - minutes(a) + minutes(length)) for a, length in spans)
    incident = LIVE.incident(sighting(minutes(5), others=others), NOW)
    for baseline in incident.baselines.values():
        assert baseline.end <= incident.window.start
        assert baseline.length >= LIVE.shortest_baseline
        assert not any(max(o.start, baseline.start) < min(o.end, baseline.end) for o in others)
