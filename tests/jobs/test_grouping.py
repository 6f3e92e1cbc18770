from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from service.domain.alert import Alert
from service.jobs.grouping import QUIET, Notification, Placement, place
from service.jobs.priority import FIRING, Severity
from service.jobs.records import (
    IncidentRecord,
    IncidentStatus,
    JobStatus,
    LocalizationRef,
    Reason,
)

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)


def alert(service: str, *, began: datetime = NOW, ended: datetime | None = None) -> Alert:
    return Alert(f"f-{service}", began, ended, {"service": service})


def told(*alerts: Alert, group: str = "g", all_ended: bool = False) -> Notification:
    return Notification("", group, alerts, all_ended)


def placed(
    notification: Notification, known: Sequence[IncidentRecord] = (), now: datetime = NOW, new_id: str = "new"
) -> Placement:
    (placement,) = place(notification, known, new_id, now)
    return placement


def incident(*alerts: Alert, id_: str = "inc-1", status: JobStatus = JobStatus.DONE) -> IncidentRecord:
    """An incident of these alerts with one localization."""
    opened = placed(told(*alerts), new_id=id_).incident
    return replace(opened, localizations=(LocalizationRef("loc-1", status, Reason.OPENED),))


def test_a_new_alert_opens_an_incident() -> None:
    placement = placed(told(alert("cart")))
    assert placement.new
    assert (placement.reason, placement.priority) == (Reason.OPENED, FIRING + Severity.WARNING)
    assert placement.incident.status is IncidentStatus.OPEN


def test_a_repeat_changes_nothing_but_when_it_was_heard() -> None:
    known = incident(alert("cart"))
    placement = placed(told(alert("cart")), [known], LATER)
    assert placement.incident == replace(known, heard_at=LATER)
    assert (placement.new, placement.reason) == (False, None)


def test_a_new_component_in_the_group_is_localized_again() -> None:
    placement = placed(told(alert("cart"), alert("pay")), [incident(alert("cart"))], LATER)
    assert placement.incident.id == "inc-1"
    assert placement.reason is Reason.GROWN


def test_another_alert_of_a_known_component_is_not_localized_again() -> None:
    other = replace(alert("cart"), fingerprint="another rule")
    placement = placed(told(other), [incident(alert("cart"))], LATER)
    assert placement.incident.id == "inc-1"
    assert placement.reason is None


def test_growth_waits_for_a_localization_that_has_not_begun() -> None:
    known = incident(alert("cart"), status=JobStatus.QUEUED)
    assert placed(told(alert("pay")), [known], LATER).reason is None


def test_a_pair_finds_its_owner_in_whatever_group_it_comes() -> None:
    placement = placed(told(alert("cart"), alert("pay"), group="another"), [incident(alert("cart"))], LATER)
    assert placement.incident.id == "inc-1"


def test_the_last_resolved_alert_closes_the_incident() -> None:
    known = incident(alert("cart"), alert("pay"))
    one = placed(told(alert("cart", ended=LATER)), [known], LATER)
    assert one.incident.status is IncidentStatus.OPEN
    both = placed(told(alert("pay", ended=LATER)), [one.incident], LATER)
    assert (both.incident.status, both.incident.resolved_at) == (IncidentStatus.RESOLVED, LATER)
    assert (both.reason, both.priority) == (None, Severity.WARNING)


def test_a_group_that_is_over_closes_alerts_that_were_left_out_of_it() -> None:
    known = incident(alert("cart"), alert("pay"))
    placement = placed(told(alert("cart", ended=LATER), all_ended=True), [known], LATER)
    assert placement.incident.status is IncidentStatus.RESOLVED


def test_a_late_repeat_does_not_reopen_what_has_ended() -> None:
    known = incident(alert("cart", ended=LATER))
    placement = placed(told(alert("cart")), [known], LATER)
    assert placement.incident.status is IncidentStatus.RESOLVED
    assert not placement.new


def test_an_alert_that_fires_anew_after_its_incident_closed_opens_another() -> None:
    known = incident(alert("cart", ended=LATER))
    placement = placed(told(alert("cart", began=LATER)), [known], LATER)
    assert (placement.new, placement.reason) == (True, Reason.OPENED)


def test_an_alert_first_heard_of_when_it_was_over_still_gets_its_answer() -> None:
    placement = placed(told(alert("cart", ended=LATER)), now=LATER)
    assert (placement.new, placement.reason, placement.priority) == (True, Reason.OPENED, Severity.WARNING)


def test_an_incident_that_nobody_spoke_of_for_long_takes_no_new_alerts() -> None:
    known = incident(alert("cart"))
    later = NOW + QUIET + timedelta(seconds=1)
    assert placed(told(alert("pay", began=later)), [known], later).new
    assert not placed(told(alert("cart")), [known], later).new


def test_one_notification_may_speak_of_two_incidents() -> None:
    known = [incident(alert("cart"), id_="one"), incident(alert("pay"), id_="two")]
    placements = place(told(alert("pay", ended=LATER), alert("cart")), known, "new", LATER)
    assert [placement.incident.id for placement in placements] == ["one", "two"]


def some_alert(service: str, began: int, ended: int) -> Alert:
    end = LATER + timedelta(minutes=ended) if ended else None
    return alert(service, began=NOW + timedelta(minutes=began), ended=end)


_alerts = st.builds(some_alert, st.sampled_from(["a", "b", "c"]), st.integers(0, 2), st.integers(0, 2))


@given(st.lists(st.lists(_alerts, min_size=1, max_size=4), min_size=1, max_size=8))
def test_every_pair_has_exactly_one_owner_and_all_that_was_told_is_owned(deliveries: list[list[Alert]]) -> None:
    known: dict[str, IncidentRecord] = {}
    for n, alerts in enumerate(deliveries):
        newest_first = list(reversed(known.values()))
        for placement in place(told(*alerts), newest_first, f"inc-{n}", LATER):
            known[placement.incident.id] = placement.incident
    pairs = [pair for incident_ in known.values() for pair in incident_.pairs]
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == {(a.fingerprint, a.starts_at) for alerts in deliveries for a in alerts}
    for incident_ in known.values():
        assert (incident_.status is IncidentStatus.OPEN) == any(a.firing for a in incident_.alerts)


@given(st.lists(st.lists(_alerts, min_size=1, max_size=4), min_size=1, max_size=6))
def test_telling_everything_twice_changes_no_owner(deliveries: list[list[Alert]]) -> None:
    known: dict[str, IncidentRecord] = {}

    def tell(n: int, alerts: list[Alert]) -> None:
        for placement in place(told(*alerts), list(reversed(known.values())), f"inc-{n}", LATER):
            known[placement.incident.id] = placement.incident

    for n, alerts in enumerate(deliveries):
        tell(n, alerts)
    owners = {id_: incident_.pairs for id_, incident_ in known.items()}
    for n, alerts in enumerate(deliveries, start=len(deliveries)):
        tell(n, alerts)
    assert {id_: incident_.pairs for id_, incident_ in known.items()} == owners
