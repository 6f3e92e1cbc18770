from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from service.domain.alert import Alert
from service.jobs.grouping import QUIET, Notification, Placement, place
from service.jobs.kin import AGAIN, JOINING, NO_KIN, Kin
from service.jobs.priority import FIRING, Severities, Severity
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
    notification: Notification,
    known: Sequence[IncidentRecord] = (),
    now: datetime = NOW,
    new_id: str = "new",
    kin: Kin = NO_KIN,
) -> Placement:
    (placement,) = place(notification, known, new_id, now, kin)
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


YESTERDAY = NOW - timedelta(hours=26)


def test_a_fresh_alert_beside_an_old_one_is_localized_from_its_own_beginning() -> None:
    known = incident(alert("cart", began=YESTERDAY))
    grown = placed(told(alert("cart", began=YESTERDAY), alert("pay")), [known], NOW)
    assert (grown.reason, grown.since) == (Reason.GROWN, NOW)
    both = placed(told(alert("cart", began=YESTERDAY), alert("pay")))
    assert (both.reason, both.since) == (Reason.OPENED, NOW)


def test_a_localization_that_waits_does_not_stand_for_what_it_will_not_look_at() -> None:
    waits = incident(alert("cart", began=YESTERDAY))
    waits = replace(waits, localizations=(LocalizationRef("loc-1", JobStatus.QUEUED, Reason.OPENED, YESTERDAY),))
    placement = placed(told(alert("cart", began=YESTERDAY), alert("pay")), [waits], NOW)
    assert (placement.reason, placement.since) == (Reason.GROWN, NOW)


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


SOON = NOW + timedelta(minutes=1)
AGAIN_SOON = NOW + AGAIN - timedelta(seconds=1)
SHOP = Kin.of([("shop", "cart"), ("cart", "db"), ("shop", "pay")])


def test_another_group_on_the_call_path_joins_the_incident_and_is_localized_with_it() -> None:
    placement = placed(told(alert("db", began=SOON), group="another"), [incident(alert("cart"))], SOON, kin=SHOP)
    assert placement.incident.id == "inc-1"
    assert placement.reason is Reason.GROWN


def test_a_group_that_joined_stays_whole() -> None:
    joined = placed(
        told(alert("db"), alert("mail"), group="another"), [incident(alert("cart"))], SOON, kin=SHOP
    ).incident
    later = placed(told(alert("mail"), alert("sms"), group="another"), [joined], LATER, kin=SHOP)
    assert later.incident.services == {"cart", "db", "mail", "sms"}


def test_what_lies_on_no_call_path_with_it_opens_its_own() -> None:
    assert placed(told(alert("pay"), group="another"), [incident(alert("cart"))], SOON, kin=SHOP).new


def test_nothing_joins_an_incident_that_opened_long_ago() -> None:
    later = NOW + JOINING
    assert placed(told(alert("db", began=later), group="another"), [incident(alert("cart"))], later, kin=SHOP).new


def test_alerts_that_began_at_other_times_are_not_related_however_they_arrive() -> None:
    """An Alertmanager that was away tells all that fires at once."""
    old = NOW - 2 * JOINING
    assert placed(told(alert("db", began=old), group="another"), [incident(alert("cart"))], SOON, kin=SHOP).new


def test_of_several_incidents_the_first_is_joined() -> None:
    first = incident(alert("cart"), id_="first")
    second = replace(incident(alert("db"), id_="second"), opened_at=SOON)
    placement = placed(told(alert("shop"), group="another"), [second, first], SOON, kin=SHOP)
    assert placement.incident.id == "first"


def test_an_alert_that_flaps_reopens_its_incident_without_another_localization() -> None:
    known = incident(alert("cart", ended=SOON))
    known = replace(known, resolved_at=SOON)
    placement = placed(told(alert("cart", began=AGAIN_SOON)), [known], LATER, kin=SHOP)
    assert placement.incident.id == "inc-1"
    assert (placement.incident.status, placement.incident.resolved_at) == (IncidentStatus.OPEN, None)
    assert (placement.reason, placement.priority) == (None, FIRING + Severity.WARNING)


def test_what_was_dropped_because_it_was_over_is_localized_when_it_fires_again() -> None:
    known = incident(alert("cart", ended=SOON), status=JobStatus.DROPPED)
    assert placed(told(alert("cart", began=SOON)), [known], SOON, kin=SHOP).reason is Reason.OPENED
    assert placed(told(alert("cart")), [known], SOON, kin=SHOP).reason is None


def test_an_incident_is_as_urgent_as_the_worst_of_its_alerts_that_fire() -> None:
    page = replace(alert("cart"), labels={"service": "cart", "severity": "Page"})
    info = replace(alert("pay"), labels={"service": "pay", "severity": "info"})
    assert placed(told(page, info)).priority == FIRING + Severity.CRITICAL
    assert placed(told(replace(page, ends_at=SOON), info)).priority == FIRING + Severity.INFO
    over = placed(told(replace(page, ends_at=SOON), replace(info, ends_at=SOON)), now=SOON)
    assert over.priority == Severity.CRITICAL


def test_the_words_for_severity_can_be_the_user_s_own() -> None:
    ours = Severities("prio", {"p1": Severity.CRITICAL})
    urgent = replace(alert("cart"), labels={"service": "cart", "prio": "P1"})
    assert placed(replace(told(urgent), severities=ours)).priority == FIRING + Severity.CRITICAL


def assert_nothing_is_lost(told_: Sequence[Alert], incidents: Iterable[IncidentRecord]) -> None:
    """Every beginning has one owner; what is over is owned, or ended something that is; nothing else is owned."""
    owned = [pair for incident_ in incidents for pair in incident_.alerts]
    pairs = [(pair.fingerprint, pair.starts_at) for pair in owned]
    assert len(pairs) == len(set(pairs))
    assert set(pairs) <= {(a.fingerprint, a.starts_at) for a in told_}
    for a in told_:
        ends = [p for p in owned if p.fingerprint == a.fingerprint and a.ends_at and p.starts_at <= a.ends_at]
        assert (a.fingerprint, a.starts_at) in pairs or any(not pair.firing for pair in ends)
    firing = [pair.fingerprint for pair in owned if pair.firing]
    assert len(firing) == len(set(firing))


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
    assert_nothing_is_lost([a for alerts in deliveries for a in alerts], known.values())
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


FAMILIES = Kin.of([("a", "b"), ("b", "a"), ("c", "d"), ("d", "c")])
"""Two families whose members all lie on one path: then kinship is an equivalence, and no order can matter."""


def partition(notifications: Sequence[Notification], kin: Kin) -> set[frozenset[tuple[str, datetime]]]:
    """The pairs of each incident, once all have been told; a pair that was owned never changes its owner."""
    return {incident_.pairs for incident_ in after(notifications, kin)}


def after(notifications: Sequence[Notification], kin: Kin) -> list[IncidentRecord]:
    """The incidents, once all have been told."""
    known: dict[str, IncidentRecord] = {}
    owners: dict[tuple[str, datetime], str] = {}
    for n, notification in enumerate(notifications):
        for placement in place(notification, list(reversed(known.values())), f"inc-{n}", NOW, kin):
            known[placement.incident.id] = placement.incident
        for incident_ in known.values():
            for pair in incident_.pairs:
                assert owners.setdefault(pair, incident_.id) == incident_.id
    return list(known.values())


def some_group(service: str, minutes: set[int]) -> Notification:
    alerts = [alert(service, began=NOW + timedelta(minutes=minute)) for minute in minutes]
    return told(*alerts, group=f"{service} {sorted(minutes)}")


_group = st.builds(some_group, st.sampled_from("abcd"), st.sets(st.integers(0, 2), min_size=1))
_groups = st.lists(_group, min_size=1, max_size=6)


@given(_groups, st.randoms(use_true_random=False))
def test_in_whatever_order_and_however_often_it_is_told_the_same_belongs_together(
    groups: list[Notification], random: Random
) -> None:
    again = [*groups, *random.choices(groups, k=3)]
    random.shuffle(again)
    assert partition(again, FAMILIES) == partition(groups, FAMILIES)


@given(
    st.lists(st.lists(_alerts, min_size=1, max_size=3), min_size=1, max_size=6),
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), max_size=4),
)
def test_nothing_is_lost_and_no_pair_moves_whatever_is_called_by_whom(
    deliveries: list[list[Alert]], calls: list[tuple[str, str]]
) -> None:
    notifications = [told(*alerts, group=f"g{n}") for n, alerts in enumerate(deliveries)]
    assert_nothing_is_lost([a for alerts in deliveries for a in alerts], after(notifications, Kin.of(calls)))
