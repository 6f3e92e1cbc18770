"""A second failure is an incident of its own, a flap is not; what ends, ends."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from service.domain.alert import Alert
from service.domain.incident import CONTEXT
from service.jobs.draft import Draft, Telling
from service.jobs.grouping import Notification, place
from service.jobs.kin import AGAIN, NO_KIN, Kin
from service.jobs.records import IncidentRecord, IncidentStatus, Receipt

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
OLD = Alert("HpaMaxedOut recs", NOW - timedelta(hours=26), None, {"service": "recs"})
KIN = Kin.of([("web", "db"), ("web", "recs")])


def minutes(n: float) -> datetime:
    return NOW + timedelta(minutes=n)


def slow(began: float, ended: float | None = None, service: str = "web", rule: str = "Slow") -> Alert:
    end = None if ended is None else minutes(ended)
    return Alert(f"{rule} {service}", minutes(began), end, {"alertname": rule, "service": service} if service else {})


class Line:
    """A store of one tenant, told one notification after the other."""

    def __init__(self, kin: Kin = NO_KIN) -> None:
        self.stored: dict[str, IncidentRecord] = {}
        self._kin = kin

    def told(
        self, at: float, *alerts: Alert, group: str = "g", all_ended: bool = False, again: timedelta = AGAIN
    ) -> tuple[Receipt, ...]:
        draft = Draft(list(self.stored.values()))
        notification = Notification("", group, alerts, all_ended, again=again)
        receipts = draft.take(Telling(notification, minutes(at), self._kin), self.stored)
        self.stored |= {written.incident.id: written.incident for written in draft.written()}
        return receipts

    def queued(self, at: float, *alerts: Alert, group: str = "g") -> list[str]:
        """The incidents that are localized for it."""
        return [receipt.incident_id for receipt in self.told(at, *alerts, group=group) if receipt.queued]

    def firing(self) -> list[tuple[str, datetime]]:
        pairs = [alert for incident in self.stored.values() for alert in incident.alerts if alert.firing]
        return sorted((alert.fingerprint, alert.starts_at) for alert in pairs)

    def owner(self, alert: Alert) -> str:
        pair = (alert.fingerprint, alert.starts_at)
        (id_,) = (incident.id for incident in self.stored.values() if pair in incident.pairs)
        return id_

    def open(self) -> list[str]:
        return [incident.id for incident in self.stored.values() if incident.status is IncidentStatus.OPEN]


def test_a_second_failure_is_an_incident_of_its_own_while_something_keeps_the_group_open() -> None:
    line = Line()
    line.told(0, OLD, slow(0))
    assert line.queued(5, OLD, slow(0, 4)) == []
    (second,) = line.queued(10, OLD, slow(9))
    assert line.stored[second].alerts == (slow(9),)
    assert line.stored[second].localizations[0].since == minutes(9)
    assert line.queued(15, OLD, slow(9)) == []
    assert line.queued(20, OLD, slow(19)) == [line.open()[-1]]


def test_flapping_is_localized_once_in_three_minutes_however_long_it_goes_on() -> None:
    line = Line()
    queued = [bool(line.queued(n + 0.5, OLD, slow(n))) for n in range(10)]
    assert queued == [n % 3 == 0 for n in range(10)]


def test_what_counts_as_a_flap_is_a_setting() -> None:
    line = Line()
    line.told(0, slow(0), again=timedelta(minutes=30))
    assert not line.told(21, slow(20), again=timedelta(minutes=30))[0].queued
    assert line.told(31, slow(30), again=timedelta(minutes=30))[0].queued


def test_another_alert_of_a_service_is_the_same_failure_while_the_first_fires() -> None:
    line = Line()
    line.told(0, OLD, slow(0))
    assert line.queued(12, OLD, slow(0), slow(11, rule="Errors")) == []
    assert len(line.stored) == 1


def test_another_alert_of_a_service_is_a_second_failure_once_the_first_is_over() -> None:
    line = Line()
    line.told(0, OLD, slow(0))
    line.told(5, OLD, slow(0, 4))
    assert line.queued(12, OLD, slow(11, rule="Errors")) == [line.open()[-1]]
    assert len(line.stored) == 2


def test_another_alert_of_a_service_is_a_second_failure_beside_what_has_fired_for_hours() -> None:
    line = Line()
    line.told(0, OLD)
    down = replace(OLD, fingerprint="Down recs", starts_at=minutes(1))
    assert line.queued(2, OLD, down) == [line.open()[-1]]
    assert len(line.stored) == 2
    assert minutes(1) - OLD.starts_at > CONTEXT


def test_an_alert_without_a_service_beside_what_has_fired_for_hours_is_looked_at() -> None:
    line = Line()
    line.told(0, OLD)
    assert line.queued(2, OLD, slow(1, service=""))
    assert not line.queued(3, OLD, slow(1, service=""), slow(2, service="", rule="Errors"))


def test_a_new_component_still_grows_the_group_s_incident() -> None:
    line = Line()
    (first,) = line.queued(0, OLD)
    assert line.queued(2, OLD, slow(1)) == [first]


def test_alerts_that_fail_again_together_are_one_incident_whatever_else_the_group_knows() -> None:
    line = Line()
    line.told(0, OLD, slow(0), slow(0, service="mail"))
    line.told(5, OLD, slow(0, 4), slow(0, 4, service="mail"))
    (second,) = line.queued(10, OLD, slow(9, service="mail"))
    line.told(11, OLD, slow(9, service="mail"), slow(10))
    assert line.owner(slow(10)) == second
    line.told(20, OLD, slow(9, 18, service="mail"), slow(10, 18))
    line.told(60, OLD, slow(59, service="mail"))
    assert line.queued(90, OLD, slow(59, service="mail"), slow(89)) == [line.open()[-1]]
    assert len(line.stored) == 4


def test_a_second_failure_joins_what_just_began_on_its_call_path() -> None:
    line = Line(KIN)
    line.told(0, OLD, slow(0), group="shop")
    line.told(5, OLD, slow(0, 4), group="shop")
    (cause,) = line.queued(20, slow(19, service="db"), group="databases")
    line.told(21, OLD, slow(20), group="shop")
    assert line.owner(slow(20)) == cause


def test_a_resolved_alert_ends_what_fires_whatever_it_says_when_it_began() -> None:
    """Grafana 12 tells its end as its start."""
    line = Line()
    (first,) = line.queued(0, slow(-30), slow(-28, service="pay"))
    assert line.queued(20, slow(20, 20), slow(-28, service="pay")) == []
    assert line.queued(21, slow(20, 20), slow(-28, service="pay")) == []
    assert line.firing() == [("Slow pay", minutes(-28))]
    assert {(a.fingerprint, a.ends_at) for a in line.stored[first].alerts} == {
        ("Slow web", minutes(20)),
        ("Slow pay", None),
    }
    (second,) = line.queued(30, slow(29), slow(-28, service="pay"))
    assert line.stored[second].localizations[0].since == minutes(29)
    line.told(40, slow(35, 35), slow(36, 36, service="pay"), all_ended=True)
    assert line.open() == []
    assert len(line.stored) == 2


def test_a_late_end_does_not_end_what_began_after_it() -> None:
    line = Line()
    line.told(0, slow(0))
    line.told(10, slow(9))
    line.told(11, slow(5, 5))
    assert line.firing() == [("Slow web", minutes(9))]


def test_a_later_beginning_ends_what_nobody_told_the_end_of() -> None:
    line = Line()
    (first,) = line.queued(0, slow(0))
    (second,) = line.queued(10, slow(9))
    assert line.open() == [second]
    assert line.stored[first].alerts == (slow(0, 9),)
    assert line.queued(11, slow(0)) == []
    assert line.firing() == [("Slow web", minutes(9))]


def test_a_group_that_is_over_closes_all_its_incidents() -> None:
    line = Line()
    line.told(0, OLD, slow(0))
    line.told(10, OLD, slow(9))
    line.told(20, replace(OLD, ends_at=minutes(19)), all_ended=True)
    assert line.open() == []


def test_an_alert_that_failed_and_recovered_unheard_is_looked_at_once() -> None:
    line = Line()
    line.told(0, OLD, slow(0))
    line.told(5, OLD, slow(0, 4))
    assert line.queued(20, OLD, slow(15, 16)) == [list(line.stored)[-1]]
    assert line.queued(21, OLD, slow(15, 16)) == []


_ends = st.one_of(st.none(), st.integers(0, 9))


def some(service: str, rule: str, began: int, lasted: int | None) -> Alert:
    return slow(began, None if lasted is None else began + lasted, service, rule)


_alerts = st.lists(
    st.builds(
        some, st.sampled_from(["web", "pay", ""]), st.sampled_from(["Slow", "Errors"]), st.integers(0, 30), _ends
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda alert: alert.fingerprint,  # a group has each once
)
_groups = st.lists(st.tuples(_alerts, st.sampled_from(["g", "h", ""]), st.booleans()), min_size=1, max_size=10)


def tell_all(groups: Sequence[tuple[list[Alert], str, bool]], kin: Kin) -> tuple[Line, list[Receipt]]:
    line, receipts = Line(kin), list[Receipt]()
    for n, (alerts, group, over) in enumerate(groups):
        receipts += line.told(n, *alerts, group=group, all_ended=over and not any(a.firing for a in alerts))
    return line, receipts


@given(_groups, st.sampled_from([NO_KIN, KIN]))
def test_nothing_is_lost_and_nothing_is_answered_twice(groups: list[tuple[list[Alert], str, bool]], kin: Kin) -> None:
    line, receipts = tell_all(groups, kin)
    owned = [(pair.fingerprint, pair.starts_at) for i in line.stored.values() for pair in i.alerts]
    began = {(a.fingerprint, a.starts_at) for alerts, _, _ in groups for a in alerts if a.firing}
    assert len(owned) == len(set(owned))
    assert began <= set(owned)
    assert all(incident.localizations for incident in line.stored.values())
    queued = [receipt.localization_id for receipt in receipts if receipt.queued]
    assert len(queued) == len(set(queued)) == sum(len(i.localizations) for i in line.stored.values())
    again, _ = tell_all([*groups, *groups], kin)
    repeated = [len(i.localizations) for i in again.stored.values()]
    assert repeated[: len(line.stored)] == [len(i.localizations) for i in line.stored.values()]


@given(_groups, st.sampled_from([NO_KIN, KIN]))
def test_one_alert_fires_once_and_what_fires_keeps_its_incident_open(
    groups: list[tuple[list[Alert], str, bool]], kin: Kin
) -> None:
    line, _ = tell_all(groups, kin)
    firing = [fingerprint for fingerprint, _ in line.firing()]
    assert len(firing) == len(set(firing))
    for incident in line.stored.values():
        assert (incident.id in line.open()) == any(alert.firing for alert in incident.alerts)


@given(_groups, st.sampled_from([NO_KIN, KIN]))
def test_no_incident_holds_a_second_failure(groups: list[tuple[list[Alert], str, bool]], kin: Kin) -> None:
    line, _ = tell_all(groups, kin)
    for incident in line.stored.values():
        first: dict[str, datetime] = {}
        for alert in incident.alerts:
            assert alert.starts_at - first.setdefault(alert.fingerprint, alert.starts_at) < AGAIN


def test_a_notification_of_thousands_of_alerts_is_placed_by_what_it_holds() -> None:
    """What is compared grows with the alerts, not with their square."""
    many = [slow(0, service=f"s{n}") for n in range(4000)]
    known = place(Notification("", "g", tuple(many)), (), "inc", NOW)[0].incident
    again = [replace(alert, starts_at=minutes(9)) for alert in many]
    placements = place(Notification("", "g", tuple(again)), [known], "new", minutes(10))
    assert [len(placement.incident.alerts) for placement in placements] == [4000, 4000]
    assert [placement.incident.status for placement in placements] == [IncidentStatus.OPEN, IncidentStatus.RESOLVED]
