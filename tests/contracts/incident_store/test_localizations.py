"""What every incident store must hold of localizations, which are its jobs."""

import asyncio
from datetime import timedelta

import pytest

from service.jobs.records import (
    Ending,
    JobStatus,
    Limits,
    StoredStep,
)
from service.jobs.store import MAX_ATTEMPTS, MAX_FAILURES, IncidentStore, LeaseLost
from tests.contracts.incident_store.telling import LEASE_S, NOW, accepted, taken

pytestmark = pytest.mark.anyio


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
