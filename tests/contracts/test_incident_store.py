"""What every incident store must hold, whatever it is made of."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.domain.alert import Alert
from service.domain.window import Window
from service.errors import CallerError
from service.jobs.grouping import Notification
from service.jobs.records import (
    Change,
    Claim,
    Delivery,
    DeliveryStatus,
    Ending,
    IncidentQuery,
    IncidentStatus,
    JobStatus,
    Limits,
    Question,
    Reason,
    Receipt,
    StoredStep,
    StoredVerdict,
)
from service.jobs.redis.address import Address
from service.jobs.redis.store import RedisStore
from service.jobs.sqlite import SqliteStore
from service.jobs.store import DELIVERIES, MAX_ATTEMPTS, MAX_FAILURES, IncidentStore, LeaseLost
from tests.redis_servers import RealServer

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
LEASE_S = 10.0

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["sqlite", "redis", "valkey"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], IncidentStore]:
    """Opens the same store, again and again."""
    if request.param == "sqlite":
        return lambda: SqliteStore(tmp_path / "store.sqlite")
    server: RealServer = request.getfixturevalue(f"{request.param}_server")
    prefix = f"{secrets.token_hex(8)}:"
    return lambda: RedisStore(Address.of(server.url), prefix)


@pytest.fixture
async def store(open_store: Callable[[], IncidentStore]) -> AsyncIterator[IncidentStore]:
    opened = open_store()
    yield opened
    await opened.close()


def alert(service: str = "cart", *, began: datetime = NOW, ended: datetime | None = None) -> Alert:
    labels = {"alertname": "Slow", "service": service}
    return Alert(f"f-{service}", began, ended, labels, {"summary": "it is slow"}, "http://prometheus/graph")


def firing(*services: str, tenant: str = "", group_key: str = "{}:{}") -> Notification:
    return Notification(tenant, group_key, tuple(alert(service) for service in services))


async def accepted(store: IncidentStore, *services: str, tenant: str = "") -> Receipt:
    (receipt,) = await store.accept(firing(*services, tenant=tenant, group_key=f"group of {services}"), NOW)
    return receipt


async def taken(store: IncidentStore, owner: str = "w1", now: datetime = NOW) -> Claim:
    claim = await store.claim(owner, LEASE_S, now)
    assert claim is not None
    return claim


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


async def test_a_localization_is_taken_by_one_worker_only(store: IncidentStore) -> None:
    for service in ("a", "b", "c"):
        await accepted(store, service)
    claims = await asyncio.gather(*(store.claim(f"w{n}", LEASE_S, NOW) for n in range(8)))
    ids = [claim.localization.id for claim in claims if claim is not None]
    assert len(ids) == len(set(ids)) == 3


async def test_a_tenant_at_its_limit_is_passed_over(store: IncidentStore) -> None:
    await accepted(store, "a1", tenant="a")
    await accepted(store, "a2", tenant="a")
    await accepted(store, "b1", tenant="b")
    limits = Limits(per_tenant=1)
    claims = [await store.claim("w", LEASE_S, NOW, limits) for _ in range(3)]
    assert [claim.localization.tenant if claim else None for claim in claims] == ["a", "b", None]
    assert claims[0] is not None
    await store.finish(claims[0].lease, Ending("{}"), NOW)
    after = await store.claim("w", LEASE_S, NOW, limits)
    assert after is not None
    assert after.localization.tenant == "a"


async def test_no_more_run_at_once_than_the_limit_says(store: IncidentStore) -> None:
    for service in ("a", "b", "c"):
        await accepted(store, service, tenant=service)
    claims = await asyncio.gather(*(store.claim(f"w{n}", LEASE_S, NOW, Limits(at_once=2)) for n in range(4)))
    assert sum(claim is not None for claim in claims) == 2


async def test_what_dead_workers_hold_does_not_count_against_a_limit(store: IncidentStore) -> None:
    await accepted(store, "cart")
    await taken(store, "dead")
    limits = Limits(at_once=1, per_tenant=1)
    assert await store.claim("alive", LEASE_S, NOW + timedelta(seconds=LEASE_S - 1), limits) is None
    assert await store.claim("alive", LEASE_S, NOW + timedelta(seconds=LEASE_S + 1), limits) is not None


async def test_an_abandoned_localization_is_taken_over_once_its_lease_ran_out(store: IncidentStore) -> None:
    await accepted(store, "cart")
    dead = await taken(store, "dead")
    await store.add_steps(dead.lease, [StoredStep(0, '{"of": "dead"}')])
    assert await store.claim("alive", LEASE_S, NOW + timedelta(seconds=LEASE_S - 1)) is None
    alive = await taken(store, "alive", NOW + timedelta(seconds=LEASE_S + 1))
    assert alive.localization.id == dead.localization.id
    assert await store.steps("", alive.localization.id, -1) == []


async def test_a_renewed_lease_is_not_taken_over(store: IncidentStore) -> None:
    await accepted(store, "cart")
    claim = await taken(store)
    await store.renew(claim.lease, LEASE_S, NOW + timedelta(seconds=LEASE_S))
    assert await store.claim("other", LEASE_S, NOW + timedelta(seconds=1.5 * LEASE_S)) is None


async def test_whoever_lost_the_lease_can_change_nothing_any_more(store: IncidentStore) -> None:
    receipt = await accepted(store, "cart")
    dead = (await taken(store, "dead")).lease
    alive = (await taken(store, "alive", NOW + timedelta(seconds=LEASE_S + 1))).lease
    await store.finish(alive, Ending('{"by": "alive"}', '{"frames": []}', '{"services": []}'), NOW)
    for attempt in (
        store.renew(dead, LEASE_S, NOW),
        store.add_steps(dead, [StoredStep(0, "{}")]),
        store.interim(dead, Ending('{"by": "dead"}'), NOW),
        store.finish(dead, Ending('{"by": "dead"}'), NOW, tell=["pager"]),
        store.drop(dead, "late", NOW),
        store.fail(dead, "late", NOW, NOW),
        store.hand_back(dead, NOW),
        store.finish(alive, Ending('{"by": "twice"}'), NOW),
    ):
        with pytest.raises(LeaseLost):
            await attempt
    localization = await store.localization("", receipt.localization_id)
    assert localization is not None
    assert (localization.status, localization.result, localization.steps) == (JobStatus.DONE, '{"by": "alive"}', 0)
    assert await store.transcript("", receipt.localization_id) == '{"frames": []}'
    assert await store.graph("", receipt.localization_id) == '{"services": []}'
    assert await store.deliveries("", receipt.localization_id) == []


async def test_an_interim_answer_is_shown_while_it_runs_and_replaced_by_the_last(store: IncidentStore) -> None:
    receipt = await accepted(store, "cart")
    lease = (await taken(store)).lease
    seen: list[tuple[JobStatus, str]] = []
    for answer in (
        store.interim(lease, Ending('{"by": "rank"}', "[1]"), NOW),
        store.interim(lease, Ending('{"by": "more"}', "[2]"), NOW),
        store.finish(lease, Ending('{"by": "model"}', "[3]"), NOW),
    ):
        await answer
        found = await store.localization("", receipt.localization_id)
        assert found is not None
        seen.append((found.status, found.result))
    running, done = JobStatus.RUNNING, JobStatus.DONE
    assert seen == [(running, '{"by": "rank"}'), (running, '{"by": "more"}'), (done, '{"by": "model"}')]
    assert await store.transcript("", receipt.localization_id) == "[3]"


async def test_an_interim_answer_outlives_its_worker(store: IncidentStore) -> None:
    await accepted(store, "cart")
    await store.interim((await taken(store, "dead")).lease, Ending('{"by": "dead"}'), NOW)
    again = await taken(store, "alive", NOW + timedelta(seconds=LEASE_S + 1))
    assert again.localization.result == '{"by": "dead"}'


async def test_a_dropped_localization_has_ended_with_the_reason(store: IncidentStore) -> None:
    receipt = await accepted(store, "cart")
    await store.drop((await taken(store)).lease, "waited for longer than its deadline", NOW)
    found = await store.localization("", receipt.localization_id)
    assert found is not None
    assert (found.status, found.finished_at) == (JobStatus.DROPPED, NOW)
    assert found.status.ended
    assert found.error == "waited for longer than its deadline"
    assert await store.claim("w", LEASE_S, NOW + timedelta(days=1)) is None
    assert (await store.backlog(NOW)).counts[JobStatus.DROPPED] == 1


async def test_a_localization_that_keeps_failing_is_set_aside_with_its_error(store: IncidentStore) -> None:
    receipt = await accepted(store, "cart")
    for n in range(MAX_FAILURES):
        later = NOW + timedelta(minutes=n)
        failed = await store.fail((await taken(store, now=later)).lease, f"failure {n}", later, later)
        assert failed.status is (JobStatus.FAILED if n + 1 == MAX_FAILURES else JobStatus.QUEUED)
    found = await store.localization("", receipt.localization_id)
    assert found is not None
    assert found.error == f"failure {MAX_FAILURES - 1}"
    assert await store.claim("w1", LEASE_S, NOW + timedelta(days=1)) is None


async def test_a_failed_localization_waits_before_it_is_tried_again(store: IncidentStore) -> None:
    await accepted(store, "cart")
    await store.fail((await taken(store)).lease, "failure", NOW, NOW + timedelta(seconds=5))
    assert await store.claim("w1", LEASE_S, NOW + timedelta(seconds=4)) is None
    await taken(store, now=NOW + timedelta(seconds=5))


async def test_a_localization_that_no_worker_survives_is_set_aside(store: IncidentStore) -> None:
    receipt = await accepted(store, "cart")
    now = NOW
    for n in range(MAX_ATTEMPTS):
        await taken(store, f"w{n}", now)
        now += timedelta(seconds=LEASE_S + 1)
    assert await store.claim("last", LEASE_S, now) is None
    found = await store.localization("", receipt.localization_id)
    assert found is not None
    assert found.status is JobStatus.FAILED
    assert "given up" in found.error


async def test_a_localization_handed_back_is_as_if_it_had_not_been_taken(store: IncidentStore) -> None:
    await accepted(store, "cart")
    for _ in range(2 * MAX_ATTEMPTS):
        await store.hand_back((await taken(store)).lease, NOW)
    assert (await taken(store)).localization.attempts == 1


async def test_cancelling_takes_it_out_of_the_worker_s_hands(store: IncidentStore) -> None:
    receipt = await accepted(store, "cart")
    claim = await taken(store)
    cancelled = await store.cancel("", receipt.localization_id, NOW)
    assert cancelled is not None
    assert cancelled.status is JobStatus.CANCELLED
    with pytest.raises(LeaseLost):
        await store.finish(claim.lease, Ending("{}"), NOW)


async def test_cancelling_what_has_ended_changes_nothing(store: IncidentStore) -> None:
    receipt = await accepted(store, "cart")
    await store.finish((await taken(store)).lease, Ending("{}"), NOW)
    found = await store.cancel("", receipt.localization_id, NOW)
    assert found is not None
    assert found.status is JobStatus.DONE


async def test_steps_come_back_in_order_from_where_one_left_off(store: IncidentStore) -> None:
    receipt = await accepted(store, "cart")
    lease = (await taken(store)).lease
    steps = [StoredStep(n, f'{{"n": {n}}}') for n in range(12)]
    await store.add_steps(lease, steps[:7])
    await store.add_steps(lease, steps[5:])
    assert await store.steps("", receipt.localization_id, -1) == steps
    assert await store.steps("", receipt.localization_id, 9) == steps[10:]


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


async def test_what_is_open_unfinished_or_undelivered_is_never_forgotten(store: IncidentStore) -> None:
    open_ = await answered(store, service="open")
    undelivered = await answered(store, "pager", service="undelivered")
    unfinished = await accepted(store, "unfinished")
    for service in ("undelivered", "unfinished"):
        await store.accept(Notification("", f"group of ('{service}',)", (alert(service, ended=NOW),)), NOW)
    assert await store.forget(LONG_AFTER, DAY_S, 0) == 0
    await store.delivered(await taken_delivery(store, "pager"), NOW)
    assert await store.forget(LONG_AFTER, DAY_S, 0) == 1
    await store.finish((await taken(store)).lease, Ending("{}"), NOW)
    assert await store.forget(LONG_AFTER, DAY_S, 0) == 1
    assert await store.incident("", open_.incident_id) is not None
    for receipt in (undelivered, unfinished):
        assert await store.incident("", receipt.incident_id) is None


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
