import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from service.domain.alert import Alert
from service.gateway.documents import incident_document
from service.jobs.grouping import Notification
from service.jobs.outage import pause
from service.jobs.records import DeliveryRecord, DeliveryStatus, Ending
from service.jobs.sqlite import SqliteStore
from service.jobs.store import DELIVERIES
from service.notify.courier import LONGEST_REST_S, Courier, Patience, Target
from service.notify.hook import Hook
from service.notify.news import News
from service.notify.slack import Slack
from service.notify.webhook import Webhook
from service.telemetry import Meters, tracer
from tests.contracts.faulty import Asked, Behaviour, dies, drips, faulty, hangs, no_http, says
from tests.notify.telling import backend, cause, result, secret_file
from tests.running import at_work
from tests.telemetry.traces import named, tree
from tests.waiting import LIMIT_S, until

SOON = Patience(first_s=0.01, drain_s=0.0)

pytestmark = pytest.mark.anyio


@dataclass
class Listener:
    """A receiver that keeps what it was told, after whatever it does first."""

    first: Callable[[News], object] = lambda _: None
    heard: list[News] = field(default_factory=list[News])

    async def send(self, news: News) -> datetime | None:
        self.heard.append(news)
        told = self.first(news)
        return told if isinstance(told, datetime) else None

    async def found(self) -> str:
        return "listens"


async def answered(
    store: SqliteStore, *targets: str, at: datetime | None = None, told: str = "", traceparent: str = ""
) -> str:
    """An incident is answered, and the targets are to be told; the id of its localization."""
    now = at or datetime.now(UTC)
    alert = Alert(f"f-{now.timestamp()}", now, None, {"service": "cart"})
    await store.accept(Notification("", f"g-{now.timestamp()}", (alert,), traceparent=traceparent), now)
    claim = await store.claim("w", 60, now)
    assert claim is not None
    await store.finish(claim.lease, Ending(told or result(cause())), now, targets)
    return claim.localization.id


async def settled(store: SqliteStore, localization_id: str, *, attempts: int = 0) -> list[DeliveryRecord]:
    """The deliveries once none of them waits any more, or once they were tried so often."""
    async with asyncio.timeout(LIMIT_S):
        with store.watch(DELIVERIES) as watch:
            while True:
                found = await store.deliveries("", localization_id)
                tried = [d for d in found if 0 < attempts <= d.attempts and d.error]
                if all(d.status is not DeliveryStatus.QUEUED or d in tried for d in found):
                    return found
                await watch.next(0.05)


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """The first time like this, then like that; at last always the same."""
    left = list(behaviours)

    async def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(asked, writer)

    return behave


def webhook(url: str, directory: Path, total_s: float = LIMIT_S) -> Webhook:
    # The breaker of a backend is tried elsewhere: here nobody waits for it.
    return Webhook(Hook(backend(url, total_s=total_s)), [secret_file(directory)], incident_document)


@dataclass(frozen=True)
class Rerouted:
    """Sends the first time to one receiver, after that to the other."""

    first: Webhook
    then: Webhook

    async def send(self, news: News) -> None:
        await (self.first if news.attempt == 1 else self.then).send(news)

    async def found(self) -> str:
        return await self.then.found()


async def test_every_target_that_is_to_be_told_is_told_once(store: SqliteStore) -> None:
    one, other, third = Listener(), Listener(), Listener()
    targets = [Target("one", one), Target("other", other), Target("third", third)]
    meters = Meters()
    async with at_work(*(Courier(store, targets, SOON, meters, "https://us.example.org/") for _ in range(2))):
        ids = [await answered(store, "one", "other") for _ in range(3)]
        records = [record for id_ in ids for record in await settled(store, id_)]
    assert {(record.status, record.attempts) for record in records} == {(DeliveryStatus.DELIVERED, 1)}
    assert [news.localization.id for news in one.heard] == ids
    assert len(other.heard) == 3
    assert third.heard == []
    assert one.heard[0].link == f"https://us.example.org/v1/localizations/{ids[0]}"
    assert b'hypocenter_deliveries_total{outcome="delivered",target="one"} 3.0' in meters.exposition()


@pytest.mark.parametrize("trouble", [hangs, drips, dies, no_http, says(500), says(503), says(401), says(410)])
async def test_trouble_is_kept_with_the_delivery_and_tried_again_under_the_same_id(
    store: SqliteStore, tmp_path: Path, trouble: Behaviour
) -> None:
    total_s = 0.3 if trouble in (hangs, drips) else LIMIT_S
    async with faulty(trouble) as ill, faulty(says(204)) as well:
        ways = Rerouted(webhook(ill.url, tmp_path, total_s), webhook(well.url, tmp_path))
        async with at_work(Courier(store, [Target("hook", ways)], SOON, Meters())):
            (record,) = await settled(store, await answered(store, "hook"))
    assert (record.status, record.attempts, record.error) == (DeliveryStatus.DELIVERED, 2, "")
    assert len({asked.headers["webhook-id"] for asked in (*ill.asked, *well.asked)}) == 1


async def test_nobody_is_followed_elsewhere(store: SqliteStore, tmp_path: Path) -> None:
    async with faulty(says(204)) as elsewhere, faulty(says(307, location=elsewhere.url)) as server:
        courier = Courier(store, [Target("hook", webhook(server.url, tmp_path))], SOON, Meters())
        async with at_work(courier):
            (record,) = await settled(store, await answered(store, "hook"), attempts=1)
    assert "only its own address is asked" in record.error
    assert elsewhere.asked == []


async def test_a_target_that_hangs_holds_up_no_other(store: SqliteStore) -> None:
    well = Listener()

    class Hung(Listener):
        async def send(self, news: News) -> datetime | None:
            await asyncio.Event().wait()
            return None

    async with at_work(Courier(store, [Target("hung", Hung()), Target("well", well)], SOON, Meters())):
        await answered(store, "hung", "well")
        last = await answered(store, "well")
        await settled(store, last)
    assert len(well.heard) == 2


async def test_what_was_sent_and_not_marked_is_sent_again_under_the_same_id(store: SqliteStore, tmp_path: Path) -> None:
    async with faulty(in_turn(hangs, says(204))) as server:
        target = Target("hook", webhook(server.url, tmp_path), limit_s=LIMIT_S)
        lapsing = replace(SOON, margin_s=0.1 - LIMIT_S)  # the lease ends long before the sending
        dying = asyncio.create_task(Courier(store, [target], lapsing, Meters()).run(asyncio.Event()))
        id_ = await answered(store, "hook")
        await until(lambda: bool(server.asked))
        dying.cancel()
        with suppress(asyncio.CancelledError):
            await dying
        async with at_work(Courier(store, [Target("hook", webhook(server.url, tmp_path))], SOON, Meters())):
            (record,) = await settled(store, id_)
    assert record.status is DeliveryStatus.DELIVERED
    assert len(server.asked) == 2
    assert len({asked.headers["webhook-id"] for asked in server.asked}) == 1
    assert json.loads(server.asked[0].body)["data"]["localization"] == json.loads(result(cause()))


async def test_what_does_not_arrive_in_time_is_a_dead_letter(store: SqliteStore, tmp_path: Path) -> None:
    meters = Meters()
    async with faulty(says(500)) as server:
        target = Target("hook", webhook(server.url, tmp_path), give_up=timedelta(minutes=1))
        async with at_work(Courier(store, [target], SOON, meters)):
            id_ = await answered(store, "hook", at=datetime.now(UTC) - timedelta(minutes=2))
            (record,) = await settled(store, id_)
    assert (record.status, record.attempts) == (DeliveryStatus.DEAD, 1)
    assert "500" in record.error
    assert b'hypocenter_deliveries_total{outcome="dead",target="hook"} 1.0' in meters.exposition()


async def test_what_is_for_nobody_any_more_is_given_up_and_counted(store: SqliteStore) -> None:
    meters, one = Meters(), Listener()
    long_ago = datetime.now(UTC) - timedelta(days=2)
    old = await answered(store, "gone", "one", at=long_ago)
    young = await answered(store, "gone")
    async with at_work(Courier(store, [Target("one", one)], SOON, meters)):
        gone, served = await settled(store, old)
    assert (gone.status, gone.attempts) == (DeliveryStatus.DEAD, 0)
    assert gone.error == "nobody took it for 24 h: no target of this name is set any more"
    assert served.status is DeliveryStatus.DELIVERED
    assert [record.status for record in await store.deliveries("", young)] == [DeliveryStatus.QUEUED]
    assert b'hypocenter_deliveries_total{outcome="dead",target="gone"} 1.0' in meters.exposition()


async def test_what_is_for_nobody_any_more_is_looked_for_again_and_again(store: SqliteStore) -> None:
    patience = replace(SOON, unserved=timedelta(seconds=0.05), sweep_s=0.01)
    async with at_work(Courier(store, [], patience, Meters())):
        for _ in range(2):
            (record,) = await settled(store, await answered(store, "gone"))
            assert record.status is DeliveryStatus.DEAD


async def test_what_is_sent_again_has_its_time_anew(store: SqliteStore, tmp_path: Path) -> None:
    async with faulty(in_turn(says(500), says(500), says(204))) as server:
        target = Target("hook", webhook(server.url, tmp_path), give_up=timedelta(minutes=5), longest_s=0.01)
        async with at_work(Courier(store, [target], SOON, Meters())):
            id_ = await answered(store, "hook", at=datetime.now(UTC) - timedelta(hours=1))
            await settled(store, id_)
            await store.deliver_again("", id_, "hook", datetime.now(UTC))
            (record,) = await settled(store, id_)
    assert (record.status, record.attempts) == (DeliveryStatus.DELIVERED, 3)


async def test_who_wants_to_be_left_alone_is_left_alone(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest_s, pauses = 3600, list[float]()

    async def noted(stopping: asyncio.Event, seconds: float) -> None:
        pauses.append(seconds)
        await pause(stopping, seconds)

    monkeypatch.setattr("service.notify.courier.pause", noted)
    async with faulty(says(429, retry_after=str(rest_s))) as server:
        target = Target("hook", webhook(server.url, tmp_path))
        async with at_work(Courier(store, [target], SOON, Meters())):
            ids = [await answered(store, "hook") for _ in range(2)]
            (record,) = await settled(store, ids[0], attempts=1)
            await until(lambda: rest_s in pauses)
    assert len(server.asked) == 1
    due = record.at + timedelta(seconds=rest_s)
    assert await store.claim_delivery("c", 1, due - timedelta(seconds=1), ["hook"]) is not None  # the other one
    assert await store.claim_delivery("c", 60, due - timedelta(seconds=1), ["hook"]) is None
    assert await store.claim_delivery("c", 60, due + timedelta(seconds=1), ["hook"]) is not None


async def test_nobody_is_left_alone_for_ever(store: SqliteStore, tmp_path: Path) -> None:
    async with faulty(says(503, retry_after="99999")) as server:
        target = Target("hook", webhook(server.url, tmp_path))
        async with at_work(Courier(store, [target], SOON, Meters())):
            (record,) = await settled(store, await answered(store, "hook"), attempts=1)
    later = record.at + timedelta(seconds=LONGEST_REST_S + 1)
    assert await store.claim_delivery("c", 60, later, ["hook"]) is not None


async def test_a_delivery_goes_on_with_the_trace_of_its_alert_and_no_span_knows_a_secret_address(
    store: SqliteStore, tmp_path: Path
) -> None:
    exporter, trace = InMemorySpanExporter(), "0a" * 16
    async with faulty(says(200, b"ok")) as server:
        file = tmp_path / "address"
        file.write_text(f"{server.url}/services/T0/B0/hush")
        chat = Slack(Hook(backend(server.url, "Slack", secret_paths=True), file))
        async with at_work(Courier(store, [Target("chat", chat)], SOON, Meters(), tracer=tracer(exporter))):
            id_ = await answered(store, "chat", traceparent=f"00-{trace}-{'0b' * 8}-01")
            await settled(store, id_)
    assert tree(exporter.get_finished_spans(), int("0b" * 8, 16)) == ["deliver chat", "  POST"]
    call = named(exporter, "POST")
    assert call.context is not None
    assert [asked.headers["traceparent"] for asked in server.asked] == [f"00-{trace}-{call.context.span_id:016x}-01"]
    assert "hush" not in "".join(span.to_json() for span in exporter.get_finished_spans())
    assert server.asked[0].target.endswith("/hush")


async def test_an_answer_that_cannot_be_told_is_a_dead_letter_and_the_next_is_told(store: SqliteStore) -> None:
    listener = Listener()
    async with at_work(Courier(store, [Target("one", listener)], SOON, Meters())):
        (record,) = await settled(store, await answered(store, "one", told='{"schema_version": "2"}'))
        await settled(store, await answered(store, "one"))
    assert record.status is DeliveryStatus.DEAD
    assert record.error.startswith("the stored answer cannot be told: ")
    assert len(listener.heard) == 1


async def test_what_lasts_is_told_again_until_it_is_over(store: SqliteStore) -> None:
    meters = Meters()
    lasting = Listener(lambda news: news.now if news.attempt < 3 else None)
    async with at_work(Courier(store, [Target("one", lasting)], SOON, meters)):
        (record,) = await settled(store, await answered(store, "one"))
    assert (record.status, record.attempts) == (DeliveryStatus.DELIVERED, 3)
    assert b'hypocenter_deliveries_total{outcome="kept_up",target="one"} 2.0' in meters.exposition()


async def test_what_is_under_way_is_ended_when_told_to_stop(store: SqliteStore) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    class Slow(Listener):
        async def send(self, news: News) -> datetime | None:
            begun.set()
            await go_on.wait()
            return None

    stopping = asyncio.Event()
    courier = Courier(store, [Target("one", Slow())], Patience(drain_s=LIMIT_S), Meters())
    running = asyncio.create_task(courier.run(stopping))
    id_ = await answered(store, "one")
    await asyncio.wait_for(begun.wait(), LIMIT_S)
    stopping.set()
    go_on.set()
    await asyncio.wait_for(running, LIMIT_S)
    assert [record.status for record in await store.deliveries("", id_)] == [DeliveryStatus.DELIVERED]


@given(st.integers(1, 100_000))
def test_pauses_grow_up_to_a_bound_and_are_never_the_same_for_all(attempts: int) -> None:
    patience = Patience(first_s=1.0)
    mean_s = min(2.0 ** min(attempts - 1, 60), 300.0)
    assert 0.5 * mean_s <= patience.pause(attempts, 300.0).total_seconds() <= 1.5 * mean_s
    assert len({patience.pause(attempts, 300.0) for _ in range(8)}) > 1
