"""What every incident store must hold of alerts that end and begin again: it decides as `place` does that knows all."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

import pytest

from service.domain.alert import Alert
from service.jobs.draft import Draft, Telling
from service.jobs.grouping import Notification
from service.jobs.kin import Kin
from service.jobs.records import Ending, IncidentQuery, IncidentRecord, IncidentStatus
from service.jobs.store import IncidentStore
from tests.contracts.incident_store.telling import NOW, alert, taken

pytestmark = pytest.mark.anyio

OLD = alert("recs", began=NOW - timedelta(hours=26))
KIN = Kin.of([("web", "pay"), ("pay", "db")])


def minutes(n: float) -> datetime:
    return NOW + timedelta(minutes=n)


def told(*alerts: Alert, over: bool = False, group: str = "g") -> Notification:
    return Notification("", group, alerts, over)


async def incidents_of(store: IncidentStore) -> Sequence[IncidentRecord]:
    """All of them, oldest first."""
    return (await store.incidents(IncidentQuery(limit=200))).incidents[::-1]


async def test_a_second_failure_in_an_open_group_is_answered_on_its_own(store: IncidentStore) -> None:
    (first,) = await store.accept(told(OLD, alert("web")), NOW)
    await store.finish((await taken(store)).lease, Ending("{}"), NOW)
    (over,) = await store.accept(told(OLD, alert("web", ended=minutes(2))), minutes(2))
    (flap,) = await store.accept(told(OLD, alert("web", began=minutes(2.5))), minutes(2.6))
    assert (over, flap) == (replace(first, queued=False),) * 2
    _, second = await store.accept(told(OLD, alert("web", began=minutes(3))), minutes(4))
    assert second.queued
    claim = await taken(store, now=minutes(4))
    assert (claim.localization.id, claim.incident.id) == (second.localization_id, second.incident_id)
    assert claim.incident.alerts == (alert("web", began=minutes(3)),)
    kept, again = await incidents_of(store)
    assert [a.starts_at for a in kept.alerts if a.firing] == [OLD.starts_at]
    assert (kept.status, again.status) == (IncidentStatus.OPEN, IncidentStatus.OPEN)


async def test_a_group_that_is_over_closes_all_its_incidents(store: IncidentStore) -> None:
    await store.accept(told(OLD, alert("web")), NOW)
    await store.accept(told(OLD, alert("web", began=minutes(9))), minutes(9))
    await store.accept(told(replace(OLD, ends_at=minutes(20)), over=True), minutes(20))
    assert [i.status for i in await incidents_of(store)] == [IncidentStatus.RESOLVED] * 2


async def test_an_end_that_is_told_as_a_beginning_ends_the_alert_and_is_none(store: IncidentStore) -> None:
    """Grafana 12 tells the end of an alert as its start, and tells it again."""
    end = alert("web", began=minutes(30), ended=minutes(30))
    await store.accept(told(alert("web"), alert("pay")), NOW)
    for at in (30, 31, 600):
        (receipt,) = await store.accept(told(end, alert("pay")), minutes(at))
        assert not receipt.queued
    (kept,) = await incidents_of(store)
    assert {(a.service, a.starts_at, a.ends_at) for a in kept.alerts} == {("web", NOW, end.ends_at), ("pay", NOW, None)}
    await store.accept(
        told(replace(end, ends_at=minutes(601)), alert("pay", ended=minutes(601)), over=True), minutes(601)
    )
    (again,) = await store.accept(told(end), minutes(602))
    assert not again.queued
    assert [i.status for i in await incidents_of(store)] == [IncidentStatus.RESOLVED]


@pytest.mark.parametrize("seed", range(6))
async def test_it_decides_as_if_it_had_looked_at_every_incident(store: IncidentStore, seed: int) -> None:
    random, stored = Random(seed), dict[str, IncidentRecord]()
    for n in range(40):
        note, now = some_notification(random, n), minutes(n)
        draft = Draft(list(stored.values()))
        expected = draft.take(Telling(note, now, KIN), stored)
        stored |= {written.incident.id: written.incident for written in draft.written()}
        receipts = await store.accept(note, now, KIN)
        assert [receipt.queued for receipt in receipts] == [receipt.queued for receipt in expected], n
    assert [decided(i) for i in await incidents_of(store)] == [decided(i) for i in stored.values()]


def decided(incident: IncidentRecord) -> object:
    firing = {alert.fingerprint for alert in incident.alerts if alert.firing}
    return incident.pairs, firing, incident.status, len(incident.localizations)


def some_notification(random: Random, n: int) -> Notification:
    """Alerts that begin, end, and end oddly, about the n-th minute."""
    alerts: list[Alert] = []
    for service in random.sample(["web", "pay", "db", "mail"], random.randint(1, 3)):
        began = minutes(max(0, n - random.choice([0, 1, 2, 5, 9])))
        ended = random.choice([None, None, began, minutes(n)])
        alerts.append(alert(service, began=began, ended=ended))
    over = all(not a.firing for a in alerts) and random.random() < 0.5
    return told(*alerts, over=over, group=random.choice(["g", "g", "h", ""]))
