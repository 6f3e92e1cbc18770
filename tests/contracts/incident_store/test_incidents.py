"""What every incident store must hold of incidents, whatever it is made of."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from service.domain.window import Window
from service.errors import CallerError
from service.jobs.grouping import Notification
from service.jobs.kin import Kin
from service.jobs.records import (
    Change,
    Ending,
    IncidentQuery,
    IncidentStatus,
    JobStatus,
    Question,
    Reason,
    StoredVerdict,
)
from service.jobs.store import IncidentStore
from tests.contracts.incident_store.telling import NOW, accepted, alert, firing, taken

pytestmark = pytest.mark.anyio


async def test_an_accepted_alert_opens_an_incident_and_queues_its_localization(store: IncidentStore) -> None:
    receipt = await accepted(store, "cart")
    incident = await store.incident("", receipt.incident_id)
    localization = await store.localization("", receipt.localization_id)
    assert incident is not None
    assert localization is not None
    assert (incident.status, incident.alerts) == (IncidentStatus.OPEN, (alert("cart"),))
    assert [ref.id for ref in incident.localizations] == [receipt.localization_id]
    assert (localization.status, localization.reason) == (JobStatus.QUEUED, Reason.OPENED)
    assert receipt.queued


async def test_a_repeat_finds_its_incident_and_queues_nothing(store: IncidentStore) -> None:
    first = await accepted(store, "cart")
    second = await accepted(store, "cart")
    assert second == replace(first, queued=False)
    assert (await store.backlog(NOW)).counts[JobStatus.QUEUED] == 1


async def test_a_hundred_notifications_at_once_make_one_incident(store: IncidentStore) -> None:
    receipts = await asyncio.gather(*(accepted(store, "cart") for _ in range(100)))
    assert len({receipt.incident_id for receipt in receipts}) == 1
    assert sum(receipt.queued for receipt in receipts) == 1


async def test_groups_on_one_call_path_join_whether_told_at_once_or_in_turn(store: IncidentStore) -> None:
    kin = Kin.of([("web", "cart"), ("cart", "db")])
    groups = [firing(service, group_key=service) for service in ("web", "db")]
    together = await asyncio.gather(*(store.accept(group, NOW, kin) for group in groups))
    later = await store.accept(firing("cart", group_key="cart"), NOW + timedelta(minutes=1), kin)
    assert len({receipt.incident_id for receipts in (*together, later) for receipt in receipts}) == 1


async def test_what_turns_severe_before_it_is_written_waits_as_severe(store: IncidentStore) -> None:
    page = replace(alert("cart"), fingerprint="page", labels={"service": "cart", "severity": "page"})
    groups = [firing("web", group_key="web"), firing("cart", group_key="cart"), Notification("", "cart", (page,))]
    await asyncio.gather(*(store.accept(group, NOW) for group in groups))
    assert (await taken(store)).incident.services == {"cart"}


async def test_tenants_do_not_see_each_other(store: IncidentStore) -> None:
    ours = await accepted(store, "cart", tenant="a")
    theirs = await accepted(store, "cart", tenant="b")
    assert ours.incident_id != theirs.incident_id
    assert await store.incident("b", ours.incident_id) is None
    assert await store.localization("b", ours.localization_id) is None
    assert await store.cancel("b", ours.localization_id, NOW) is None
    assert [i.id for i in (await store.incidents(IncidentQuery(tenant="a"))).incidents] == [ours.incident_id]


async def test_what_was_accepted_is_there_after_reopening(open_store: Callable[[], IncidentStore]) -> None:
    before = open_store()
    receipt = await accepted(before, "cart")
    await before.close()
    after = open_store()
    try:
        assert (await taken(after)).localization.id == receipt.localization_id
    finally:
        await after.close()


async def test_a_grown_group_is_localized_again_once_its_first_localization_is_under_way(store: IncidentStore) -> None:
    (first,) = await store.accept(firing("cart"), NOW)
    (waiting,) = await store.accept(firing("cart", "pay"), NOW)
    assert waiting == replace(first, queued=False)
    claim = await taken(store)
    assert {a.service for a in claim.incident.alerts} == {"cart", "pay"}
    (grown,) = await store.accept(firing("cart", "pay", "stock"), NOW)
    assert grown.queued
    assert grown.incident_id == first.incident_id
    assert grown.localization_id != first.localization_id


async def test_it_is_kept_since_when_what_a_localization_is_about_fires(store: IncidentStore) -> None:
    old = alert("cart", began=NOW - timedelta(hours=26))
    await store.accept(Notification("", "g", (old,)), NOW)
    (grown,) = await store.accept(Notification("", "g", (old, alert("pay"))), NOW)
    asked = await store.ask("", Question((old,), "g"), NOW)
    incident = await store.incident("", grown.incident_id)
    assert incident is not None
    assert [ref.since for ref in incident.localizations] == [old.starts_at, NOW, old.starts_at]
    assert incident.since(asked.localization_id) == old.starts_at
    window = Window(NOW - timedelta(hours=2), NOW)
    about = await store.ask("", Question((alert("mail"),), window=window), NOW)
    found = await store.incident("", about.incident_id)
    assert found is not None
    assert found.since(about.localization_id) is None


async def test_how_many_alerts_the_sender_left_out_is_kept_until_it_says_otherwise(store: IncidentStore) -> None:
    note = Notification("", "g", (alert("cart"),))
    for truncated, kept in ((None, 0), (12, 12), (None, 12), (0, 0)):
        (receipt,) = await store.accept(replace(note, truncated=truncated), NOW)
        incident = await store.incident("", receipt.incident_id)
        assert incident is not None
        assert incident.truncated == kept


async def test_a_resolved_incident_is_closed_and_answered_after_those_that_burn(store: IncidentStore) -> None:
    over = await accepted(store, "cart")
    burning = await accepted(store, "pay")
    ended = Notification("", "group of ('cart',)", (alert("cart", ended=NOW + timedelta(minutes=1)),))
    (receipt,) = await store.accept(ended, NOW)
    assert receipt == replace(over, queued=False)
    incident = await store.incident("", over.incident_id)
    assert incident is not None
    assert incident.status is IncidentStatus.RESOLVED
    order = [(await taken(store)).localization.id for _ in range(2)]
    assert order == [burning.localization_id, over.localization_id]


async def test_a_question_goes_first_and_is_always_a_localization_of_its_own(store: IncidentStore) -> None:
    told = await accepted(store, "cart")
    asked = await store.ask("", Question((alert("cart"),), deadline_s=1.5), NOW)
    assert asked.incident_id == told.incident_id
    claim = await taken(store)
    assert (claim.localization.id, claim.localization.deadline_s) == (asked.localization_id, 1.5)
    assert await accepted(store, "cart") == replace(told, queued=False)


async def test_a_question_about_a_window_keeps_the_window(store: IncidentStore) -> None:
    window = Window(NOW - timedelta(hours=2), NOW - timedelta(hours=1))
    receipt = await store.ask("", Question((alert("cart"),), window=window), NOW)
    incident = await store.incident("", receipt.incident_id)
    assert incident is not None
    assert incident.window == window


async def test_a_localization_goes_on_with_the_trace_of_what_caused_it(store: IncidentStore) -> None:
    told, asked, later = (f"00-{n * 16}-{'1' * 16}-01" for n in ("0a", "0b", "0c"))
    await store.accept(replace(firing("cart"), traceparent=told), NOW)
    await store.accept(replace(firing("cart"), traceparent=later), NOW)
    await store.ask("", Question((alert("pay"),), traceparent=asked), NOW)
    assert [(await taken(store)).localization.traceparent for _ in range(2)] == [asked, told]


async def test_pages_of_incidents_hold_each_once_newest_first(store: IncidentStore) -> None:
    receipts = [await accepted(store, f"s{n}") for n in range(7)]
    seen: list[str] = []
    query = IncidentQuery(limit=3)
    while True:
        page = await store.incidents(query)
        seen += [incident.id for incident in page.incidents]
        if not page.next_cursor:
            break
        query = replace(query, cursor=page.next_cursor)
    assert seen == [receipt.incident_id for receipt in reversed(receipts)]


async def test_incidents_are_found_by_status_and_service(store: IncidentStore) -> None:
    cart = await accepted(store, "cart")
    pay = await accepted(store, "pay")
    await store.accept(Notification("", "group of ('pay',)", (alert("pay", ended=NOW),)), NOW)
    by_service = await store.incidents(IncidentQuery(service="cart"))
    by_status = await store.incidents(IncidentQuery(status=IncidentStatus.RESOLVED))
    assert [i.id for i in by_service.incidents] == [cart.incident_id]
    assert [i.id for i in by_status.incidents] == [pay.incident_id]


@pytest.mark.parametrize("cursor", ["x", "-1", "1 OR 1", "9" * 40, "²"])
async def test_a_cursor_that_is_none_is_the_caller_s_fault(store: IncidentStore, cursor: str) -> None:
    with pytest.raises(CallerError, match="cursor"):
        await store.incidents(IncidentQuery(cursor=cursor))


async def test_changes_are_kept_once_and_found_by_window(store: IncidentStore) -> None:
    deploy = Change(NOW, "cart", "deploy", "cart 1.2")
    later = Change(NOW + timedelta(hours=1), "pay", "config", "pool 5")
    await store.add_changes("", [later, deploy])
    await store.add_changes("", [deploy])
    assert await store.changes("", Window(NOW, NOW + timedelta(hours=2))) == [deploy, later]
    assert await store.changes("", Window(NOW, NOW + timedelta(minutes=1))) == [deploy]
    assert await store.changes("other", Window(NOW, NOW + timedelta(hours=2))) == []


async def test_a_later_verdict_replaces_an_earlier_one(store: IncidentStore) -> None:
    receipt = await accepted(store, "cart")
    assert await store.verdict("", receipt.localization_id) is None
    for n in range(2):
        await store.put_verdict("", receipt.localization_id, StoredVerdict(f"[{n}]", "{}", NOW))
    assert await store.verdict("", receipt.localization_id) == StoredVerdict("[1]", "{}", NOW)


async def test_who_watches_is_woken_by_a_change(store: IncidentStore) -> None:
    receipt = await accepted(store, "cart")
    with store.watch(receipt.localization_id) as watch:
        lease = (await taken(store)).lease
        await watch.next(60)
        await store.finish(lease, Ending("{}"), NOW)
        await watch.next(60)
    found = await store.localization("", receipt.localization_id)
    assert found is not None
    assert found.status.ended


async def test_the_backlog_counts_and_tells_the_oldest(store: IncidentStore) -> None:
    await accepted(store, "cart")
    await accepted(store, "pay")
    await taken(store)
    backlog = await store.backlog(NOW + timedelta(seconds=30))
    assert (backlog.counts[JobStatus.QUEUED], backlog.counts[JobStatus.RUNNING]) == (1, 1)
    assert backlog.oldest_s == 30


async def test_a_check_says_what_was_found(store: IncidentStore) -> None:
    assert len((await store.check()).splitlines()) == 1
