from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.alert import Alert
from service.domain.incident import Incident
from service.domain.subject import SERVICE_LABELS
from service.domain.window import Window, rfc3339

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = Window(NOON, NOON + timedelta(hours=1))


def alert(minute: int, **labels: str) -> Alert:
    return Alert(f"f{minute}", NOON + timedelta(minutes=minute), labels=labels)


def test_an_incident_begins_with_its_earliest_alert() -> None:
    assert Incident("i", (alert(9), alert(4)), HOUR).alerted_at == NOON + timedelta(minutes=4)
    assert Incident("i", (), HOUR).alerted_at == NOON + timedelta(minutes=30)


def test_alerting_services_are_named_once_in_the_order_of_the_alerts() -> None:
    alerts = (alert(1, service="b"), alert(2, severity="page"), alert(3, service="a"), alert(4, service="b"))
    assert Incident("i", alerts, HOUR).alerting_services == ("b", "a")


def test_the_most_telling_label_names_the_service() -> None:
    labels = {name: f"by-{name}" for name in reversed(SERVICE_LABELS)}
    assert alert(1, **labels).service == f"by-{SERVICE_LABELS[0]}"
    assert alert(1, service="", job="api").service == "api"


def test_a_window_needs_a_zone_and_a_length() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Window(NOON.replace(tzinfo=None), NOON)
    with pytest.raises(ValueError, match="ends after it starts"):
        Window(NOON, NOON)


def test_windows_that_share_a_moment_overlap() -> None:
    assert HOUR.overlaps(Window(HOUR.end, HOUR.end + timedelta(hours=1)))
    assert not HOUR.overlaps(Window(HOUR.end + timedelta(microseconds=1), HOUR.end + timedelta(hours=1)))


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5))]), min_value=datetime(1971, 1, 1)))
def test_a_written_time_is_read_back_as_the_same_moment(moment: datetime) -> None:
    assert rfc3339(moment).endswith("Z")
    assert datetime.fromisoformat(rfc3339(moment)) == moment


def test_an_alert_that_has_ended_does_not_say_when_the_incident_began() -> None:
    ended = replace(alert(1), ends_at=NOON + timedelta(minutes=2))
    assert Incident("i", (ended, alert(9)), HOUR).alerted_at == NOON + timedelta(minutes=9)
    assert Incident("i", (ended,), HOUR).alerted_at == NOON + timedelta(minutes=1)
