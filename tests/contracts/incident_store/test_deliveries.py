"""What every incident store must hold of what is told, and of what is over."""

import asyncio
from datetime import datetime, timedelta

import pytest

from service.domain.window import Window
from service.jobs.grouping import Notification
from service.jobs.records import (
    Change,
    Delivery,
    DeliveryStatus,
    Ending,
    IncidentQuery,
    IncidentStatus,
    Receipt,
    StoredVerdict,
)
from service.jobs.store import DELIVERIES, IncidentStore, LeaseLost
from tests.contracts.incident_store.telling import LEASE_S, NOW, accepted, alert, taken

pytestmark = pytest.mark.anyio


async def answered(store: IncidentStore, *targets: str, service: str = "cart") -> Receipt:
    receipt = await accepted(store, service)
    await store.finish((await taken(store)).lease, Ending("{}"), NOW, tell=targets)
    return receipt


async def taken_delivery(store: IncidentStore, *targets: str, owner: str = "n1", now: datetime = NOW) -> Delivery:
    delivery = await store.claim_delivery(owner, LEASE_S, now, targets)
    assert delivery is not None
    return delivery


async def fates(store: IncidentStore, receipt: Receipt) -> list[tuple[str, DeliveryStatus, int, str]]:
    records = await store.deliveries("", receipt.localization_id)
    return [(record.target, record.status, record.attempts, record.error) for record in records]


async def test_an_answer_is_queued_for_each_target_with_the_answer(store: IncidentStore) -> None:
    receipt = await answered(store, "pager", "chat")
    assert [target for target, *_ in await fates(store, receipt)] == ["pager", "chat"]
    delivery = await taken_delivery(store, "chat", "mail")
    assert (delivery.target, delivery.attempts, delivery.tenant) == ("chat", 1, "")
    assert (delivery.localization_id, delivery.incident_id) == (receipt.localization_id, receipt.incident_id)
    assert await store.claim_delivery("n1", LEASE_S, NOW, ["chat", "mail"]) is None
    await store.delivered(delivery, NOW)
    assert await fates(store, receipt) == [
        ("pager", DeliveryStatus.QUEUED, 0, ""),
        ("chat", DeliveryStatus.DELIVERED, 1, ""),
    ]
    assert await store.deliveries("other", receipt.localization_id) == []


async def test_answers_are_delivered_in_the_order_in_which_they_came(store: IncidentStore) -> None:
    receipts = [await answered(store, "pager", service=service) for service in ("a", "b", "c")]
    deliveries = [await taken_delivery(store, "pager") for _ in receipts]
    assert [d.localization_id for d in deliveries] == [r.localization_id for r in receipts]


async def test_a_delivery_is_taken_by_one_only(store: IncidentStore) -> None:
    await answered(store, "pager")
    claims = await asyncio.gather(*(store.claim_delivery(f"n{n}", LEASE_S, NOW, ["pager"]) for n in range(8)))
    assert sum(claim is not None for claim in claims) == 1


async def test_an_abandoned_delivery_is_taken_over_and_its_old_holder_is_shut_out(store: IncidentStore) -> None:
    receipt = await answered(store, "pager")
    dead = await taken_delivery(store, "pager")
    assert await store.claim_delivery("n2", LEASE_S, NOW + timedelta(seconds=LEASE_S - 1), ["pager"]) is None
    later = NOW + timedelta(seconds=LEASE_S + 1)
    alive = await taken_delivery(store, "pager", owner="n2", now=later)
    assert (alive.id, alive.attempts) == (dead.id, 2)
    for attempt in (store.delivered(dead, later), store.undelivered(dead, "late", later, later)):
        with pytest.raises(LeaseLost):
            await attempt
    await store.delivered(alive, later)
    with pytest.raises(LeaseLost):
        await store.delivered(alive, later)
    assert await fates(store, receipt) == [("pager", DeliveryStatus.DELIVERED, 2, "")]


async def test_what_was_not_delivered_is_tried_again_later_and_then_a_dead_letter(store: IncidentStore) -> None:
    receipt = await answered(store, "pager")
    retry_at = NOW + timedelta(seconds=5)
    await store.undelivered(await taken_delivery(store, "pager"), "refused", NOW, retry_at)
    assert await fates(store, receipt) == [("pager", DeliveryStatus.QUEUED, 1, "refused")]
    assert await store.claim_delivery("n1", LEASE_S, NOW + timedelta(seconds=4), ["pager"]) is None
    await store.undelivered(await taken_delivery(store, "pager", now=retry_at), "gone", retry_at, None)
    assert await fates(store, receipt) == [("pager", DeliveryStatus.DEAD, 2, "gone")]
    assert await store.claim_delivery("n1", LEASE_S, NOW + timedelta(days=1), ["pager"]) is None


async def test_who_delivers_is_woken_by_an_answer(store: IncidentStore) -> None:
    await accepted(store, "cart")
    with store.watch(DELIVERIES) as watch:
        await store.finish((await taken(store)).lease, Ending("{}"), NOW, tell=["pager"])
        await watch.next(60)
    await taken_delivery(store, "pager")


async def test_a_dead_letter_is_sent_again_once_somebody_says_so(store: IncidentStore) -> None:
    receipt = await answered(store, "pager", "chat")
    dead, later = await taken_delivery(store, "pager"), NOW + timedelta(days=2)
    await store.undelivered(dead, "gone", NOW, None)
    assert await store.deliver_again("other", receipt.localization_id, "pager", later) is None
    assert await store.deliver_again("", receipt.localization_id, "mail", later) is None
    assert await store.deliver_again("", "loc-x", "pager", later) is None
    assert await store.claim_delivery("n1", LEASE_S, later, ["pager"]) is None
    with store.watch(DELIVERIES) as watch:
        record = await store.deliver_again("", receipt.localization_id, "pager", later)
        await watch.next(60)
    assert record is not None
    assert (record.status, record.attempts, record.error, record.at) == (DeliveryStatus.QUEUED, 1, "gone", later)
    delivery = await taken_delivery(store, "pager", now=later)
    assert (delivery.id, delivery.attempts, dead.queued_at, delivery.queued_at) == (dead.id, 2, NOW, later)
    with pytest.raises(LeaseLost):
        await store.delivered(dead, later)
    await store.delivered(delivery, later)
    assert (await fates(store, receipt))[0] == ("pager", DeliveryStatus.DELIVERED, 2, "")


async def test_only_a_dead_letter_is_sent_again(store: IncidentStore) -> None:
    receipt = await answered(store, "pager", "chat")
    await store.delivered(await taken_delivery(store, "pager"), NOW)
    held = await taken_delivery(store, "chat")
    for target, status in (("pager", DeliveryStatus.DELIVERED), ("chat", DeliveryStatus.QUEUED)):
        record = await store.deliver_again("", receipt.localization_id, target, NOW)
        assert record is not None
        assert record.status is status
    assert await store.claim_delivery("n1", LEASE_S, NOW, ["pager", "chat"]) is None
    await store.delivered(held, NOW)


async def test_what_nobody_takes_becomes_a_dead_letter_with_a_reason(store: IncidentStore) -> None:
    receipt = await answered(store, "pager", "chat", "mail")
    held = await taken_delivery(store, "mail")
    bound = NOW + timedelta(seconds=1)
    assert await store.abandon_deliveries(["chat"], NOW, "nobody serves it", bound) == []
    assert await store.abandon_deliveries(["chat"], bound, "nobody serves it", bound) == ["pager"]
    assert await fates(store, receipt) == [
        ("pager", DeliveryStatus.DEAD, 0, "nobody serves it"),
        ("chat", DeliveryStatus.QUEUED, 0, ""),
        ("mail", DeliveryStatus.QUEUED, 1, ""),
    ]
    assert await store.claim_delivery("n1", LEASE_S, bound, ["pager"]) is None
    late = NOW + timedelta(seconds=LEASE_S + 1)
    assert await store.abandon_deliveries(["chat"], late, "nobody serves it", late) == ["mail"]
    with pytest.raises(LeaseLost):
        await store.delivered(held, late)


async def test_what_waits_to_be_tried_again_is_not_abandoned_before(store: IncidentStore) -> None:
    await answered(store, "pager")
    retry_at = NOW + timedelta(hours=1)
    await store.undelivered(await taken_delivery(store, "pager"), "refused", NOW, retry_at)
    assert await store.abandon_deliveries([], retry_at, "nobody serves it", retry_at) == []
    assert await store.abandon_deliveries([], retry_at + timedelta(seconds=1), "nobody serves it", retry_at) == [
        "pager"
    ]


DAY_S = 86_400.0
LONG_AFTER = NOW + timedelta(days=30)


async def over(store: IncidentStore, service: str) -> Receipt:
    """An incident that was answered and is resolved."""
    receipt = await answered(store, service=service)
    await store.accept(Notification("", f"group of ('{service}',)", (alert(service, ended=NOW),)), NOW)
    return receipt


async def test_what_is_over_is_forgotten_with_all_that_is_its(store: IncidentStore) -> None:
    receipt = await over(store, "cart")
    await store.put_verdict("", receipt.localization_id, StoredVerdict("[]", "{}", NOW))
    await store.add_changes("", [Change(NOW, "cart", "deploy", "cart 1.2")])
    assert await store.forget(NOW + timedelta(hours=23), DAY_S, 10) == 0
    assert await store.forget(LONG_AFTER, DAY_S, 10) == 1
    assert await store.incident("", receipt.incident_id) is None
    assert await store.localization("", receipt.localization_id) is None
    assert await store.verdict("", receipt.localization_id) is None
    assert await store.changes("", Window(NOW, LONG_AFTER)) == []
    assert (await store.incidents(IncidentQuery())).incidents == ()
    assert (await accepted(store, "cart")).incident_id != receipt.incident_id


async def test_of_what_is_over_the_newest_stay(store: IncidentStore) -> None:
    receipts = [await over(store, service) for service in ("a", "b", "c")]
    assert await store.forget(NOW, DAY_S, 2) == 1
    left = (await store.incidents(IncidentQuery())).incidents
    assert [incident.id for incident in left] == [receipt.incident_id for receipt in reversed(receipts[1:])]


async def test_an_open_incident_that_nobody_speaks_of_any_more_is_forgotten(store: IncidentStore) -> None:
    silent, spoken_of = await answered(store, service="silent"), await answered(store, service="spoken-of")
    later = NOW + timedelta(days=2)
    await store.accept(Notification("", "group of ('spoken-of',)", (alert("spoken-of"),)), later)
    assert await store.forget(NOW + timedelta(hours=23), 60, 0) == 0
    assert await store.forget(later, 3 * DAY_S, 0) == 0
    assert await store.forget(later, 60, 0) == 1
    assert await store.incident("", silent.incident_id) is None
    assert await store.incident("", spoken_of.incident_id) is not None
    again = await accepted(store, "silent")
    assert (again.incident_id != silent.incident_id, again.queued) == (True, True)
    left = (await store.incidents(IncidentQuery(status=IncidentStatus.OPEN))).incidents
    assert [incident.id for incident in left] == [again.incident_id, spoken_of.incident_id]


async def test_what_is_given_up_or_sent_again_frees_and_holds_its_incident(store: IncidentStore) -> None:
    receipt = await answered(store, "pager")
    await store.accept(Notification("", "group of ('cart',)", (alert(ended=NOW),)), NOW)
    assert await store.forget(LONG_AFTER, DAY_S, 0) == 0
    await store.abandon_deliveries([], LONG_AFTER, "nobody serves it", LONG_AFTER)
    await store.deliver_again("", receipt.localization_id, "pager", LONG_AFTER)
    assert await store.forget(LONG_AFTER, DAY_S, 0) == 0
    await store.undelivered(await taken_delivery(store, "pager", now=LONG_AFTER), "gone", LONG_AFTER, None)
    assert await store.forget(LONG_AFTER, DAY_S, 0) == 1


async def test_what_is_unfinished_or_undelivered_is_never_forgotten(store: IncidentStore) -> None:
    undelivered = await answered(store, "pager", service="undelivered")
    unfinished = await accepted(store, "unfinished")
    for service in ("undelivered", "unfinished"):
        await store.accept(Notification("", f"group of ('{service}',)", (alert(service, ended=NOW),)), NOW)
    assert await store.forget(LONG_AFTER, DAY_S, 0) == 0
    await store.delivered(await taken_delivery(store, "pager"), NOW)
    assert await store.forget(LONG_AFTER, DAY_S, 0) == 1
    await store.finish((await taken(store)).lease, Ending("{}"), NOW)
    assert await store.forget(LONG_AFTER, DAY_S, 0) == 1
    for receipt in (undelivered, unfinished):
        assert await store.incident("", receipt.incident_id) is None
