import copy
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.errors import CallerError
from service.stores.alert_body import AlertGroup, parse_alert_body
from service.text import is_printable
from tests.strangers import spoiled

OPEN = "0001-01-01T00:00:00Z"


def firing(**changes: object) -> dict[str, object]:
    alert: dict[str, object] = {
        "status": "firing",
        "labels": {"alertname": "Slow", "service": "cart"},
        "annotations": {"summary": "cart is slow"},
        "startsAt": "2026-11-22T07:39:03.945123456Z",
        "endsAt": OPEN,
        "generatorURL": "http://prometheus/graph?g0.expr=up",
        "fingerprint": "6c37847cdd186fcc",
    }
    return alert | changes


def without(alert: dict[str, object], name: str) -> dict[str, object]:
    return {key: value for key, value in alert.items() if key != name}


def body(*alerts: dict[str, object], **changes: object) -> dict[str, object]:
    envelope: dict[str, object] = {
        "version": "4",
        "groupKey": '{}:{alertname="Slow"}',
        "status": "firing",
        "truncatedAlerts": 2,
        "groupLabels": {"alertname": "Slow"},
        "commonLabels": {},
        "externalURL": "http://alertmanager",
        "receiver": "hypocenter",
        "alerts": list(alerts),
    }
    return envelope | changes


def test_a_group_keeps_its_key_its_labels_and_what_was_left_out() -> None:
    group = parse_alert_body(body(firing()))
    assert (group.group_key, group.status, group.truncated) == ('{}:{alertname="Slow"}', "firing", 2)
    assert group.group_labels == {"alertname": "Slow"}
    assert group.alerts[0].service == "cart"
    assert group.alerts[0].generator_url.startswith("http://prometheus")


def test_an_open_alert_has_no_end_and_nanoseconds_are_cut() -> None:
    (alert,) = parse_alert_body(body(firing())).alerts
    assert alert.firing
    assert alert.starts_at == datetime(2026, 11, 22, 7, 39, 3, 945123, tzinfo=UTC)


def test_firing_and_resolved_alerts_may_be_mixed() -> None:
    ended = firing(status="resolved", endsAt="2026-11-22T08:00:00+01:00")
    group = parse_alert_body(body(firing(), ended))
    assert [alert.firing for alert in group.alerts] == [True, False]
    assert group.alerts[1].ends_at == datetime(2026, 11, 22, 7, 0, tzinfo=UTC)


def test_a_firing_alert_that_says_when_it_would_expire_is_still_open() -> None:
    (alert,) = parse_alert_body(body(firing(endsAt="2030-01-01T00:00:00Z"))).alerts
    assert alert.firing


def test_an_alert_without_a_status_has_that_of_its_group() -> None:
    (alert,) = parse_alert_body(body(without(firing(), "status"), status="resolved")).alerts
    assert not alert.firing


def test_grafana_sends_the_same_envelope_with_more_in_it() -> None:
    extras = {"orgId": 1, "title": "[FIRING:1]", "state": "alerting", "message": "…", "truncatedAlerts": None}
    alert = firing(values={"B": 22.1}, dashboardURL="", panelURL="", silenceURL="http://grafana", annotations=None)
    group = parse_alert_body(body(alert, version="1", **extras))
    assert group.truncated == 0
    assert group.alerts[0].annotations == {}


def test_control_characters_in_labels_are_replaced() -> None:
    (alert,) = parse_alert_body(body(firing(labels={"ser\x00vice": "ca\x1b[31mrt\u202e\n"}))).alerts
    assert alert.labels == {"ser\ufffdvice": "ca\ufffd[31mrt\ufffd\ufffd"}


@given(st.dictionaries(st.text(min_size=1, max_size=5), st.text(max_size=5), max_size=5))
def test_without_a_fingerprint_the_labels_in_any_order_make_the_same_one(labels: dict[str, str]) -> None:
    backwards = dict(reversed(labels.items()))
    one, other = (
        parse_alert_body(body(without(firing(labels=ordered), "fingerprint"))).alerts[0]
        for ordered in (labels, backwards)
    )
    assert one.fingerprint == other.fingerprint
    assert len(one.fingerprint) == 16


def test_alerts_with_other_labels_get_another_fingerprint() -> None:
    one, other = parse_alert_body(
        body(firing(fingerprint=None, labels={"a": "1"}), firing(fingerprint=None, labels={"a": "2"}))
    ).alerts
    assert one.fingerprint != other.fingerprint


NONSENSE: list[tuple[object, str]] = [
    ([], "object"),
    ("firing", "object"),
    (None, "object"),
    ({}, "version"),
    (body(firing(), version=4), "version"),
    (body(firing(), version="3"), "version"),
    (body(firing(), status="on fire"), "status"),
    (body(), "alerts"),
    (body(firing(), alerts=None), "alerts"),
    (body(firing(), alerts=["x"]), "alerts[0]"),
    (body(firing(), without(firing(), "startsAt")), "alerts[1].startsAt"),
    (body(firing(startsAt="yesterday")), "alerts[0].startsAt"),
    (body(firing(startsAt="2026-11-22T07:39:03")), "alerts[0].startsAt"),
    (body(firing(startsAt=1700000000)), "alerts[0].startsAt"),
    (body(firing(startsAt=OPEN)), "alerts[0].startsAt"),
    (body(firing(startsAt="9999-12-31T23:59:59-14:00")), "alerts[0].startsAt"),
    (body(firing(labels={"service": 7})), "alerts[0].labels.service"),
    (body(firing(), truncatedAlerts=-1), "truncatedAlerts"),
]


@pytest.mark.parametrize(("nonsense", "field"), NONSENSE)
def test_nonsense_is_refused_in_one_line_that_names_the_field(nonsense: object, field: str) -> None:
    before = copy.deepcopy(nonsense)
    with pytest.raises(CallerError) as refused:
        parse_alert_body(nonsense)
    line = str(refused.value)
    assert line.startswith("alert body: ")
    assert field in line
    assert "\n" not in line
    assert nonsense == before


def test_a_hostile_field_name_cannot_break_the_line() -> None:
    with pytest.raises(CallerError) as refused:
        parse_alert_body(body(firing(labels={"a\nb" * 500: 7})))
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 400


def texts(group: AlertGroup) -> list[str]:
    """All that strangers wrote in it."""
    maps = [group.group_labels, *(labels for alert in group.alerts for labels in (alert.labels, alert.annotations))]
    own = [text for alert in group.alerts for text in (alert.fingerprint, alert.generator_url)]
    return [group.group_key, *own, *(text for labels in maps for pair in labels.items() for text in pair)]


@given(spoiled([body(firing()), body(firing(status="resolved", endsAt="2026-11-22T08:00:00Z"), version="1")]))
@example(body(firing(labels={"\x1f": 7})))
@example(body(firing(labels={"\x1f": "\u202e"}, fingerprint="\x1b", generatorURL="\u2028"), groupKey="\x9b"))
def test_whatever_comes_becomes_printable_or_is_refused_in_one_printable_line(whatever: object) -> None:
    try:
        written = texts(parse_alert_body(whatever))
    except CallerError as error:
        written = [str(error)]
    assert [text for text in written if not is_printable(text)] == []
