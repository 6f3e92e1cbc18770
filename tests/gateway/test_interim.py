"""An answer that a better one may replace, as HTTP shows it; and a localization that was dropped."""

import json
from datetime import UTC, datetime

import httpx
import pytest

from service.gateway.context import Gateway
from service.jobs.records import Ending
from service.jobs.sqlite import SqliteStore
from service.telemetry import Meters
from tests.gateway.conftest import GRAPH, RESULT, streamed
from tests.gateway.test_localizations import events_of, posted
from tests.waiting import LIMIT_S

pytestmark = pytest.mark.anyio

RUNNING = RESULT.replace('"done"', '"running"').replace('"answered"', "null")


async def test_it_is_read_while_the_localization_runs_and_then_replaced(
    client: httpx.AsyncClient, store: SqliteStore
) -> None:
    id_ = await posted(client, "cart")
    claim = await store.claim("w", 60, datetime.now(UTC))
    assert claim is not None
    await store.interim(claim.lease, Ending(RUNNING, '{"frames": []}', GRAPH), datetime.now(UTC))
    running = (await client.get(f"/v1/localizations/{id_}")).json()
    assert (running["status"], running["stop"], running["ranked_by"]) == ("running", None, "statistical")
    assert running["causes"]
    await store.finish(claim.lease, Ending(RESULT.replace("statistical", "fused")), datetime.now(UTC))
    assert (await client.get(f"/v1/localizations/{id_}")).json()["ranked_by"] == "fused"


async def test_it_is_an_event_without_a_number(client: httpx.AsyncClient, gateway: Gateway, store: SqliteStore) -> None:
    id_ = await posted(client, "cart")
    claim = await store.claim("w", 60, datetime.now(UTC))
    assert claim is not None
    await store.interim(claim.lease, Ending(RUNNING, '{"frames": []}', GRAPH), datetime.now(UTC))
    received: list[str] = []
    async with streamed(gateway, f"/v1/localizations/{id_}/events") as lines:
        async for line in lines:
            received.append(line)
            if line == "event: interim":
                await store.finish(claim.lease, Ending(RESULT), datetime.now(UTC))
    interim, end = events_of("\n".join(received))
    assert (interim["event"], end["event"], end["id"]) == ("interim", "end", "0")
    assert "id" not in interim
    assert json.loads(interim["data"])["status"] == "running"


async def test_what_was_dropped_says_why(client: httpx.AsyncClient, store: SqliteStore) -> None:
    id_ = await posted(client, "cart")
    claim = await store.claim("w", 60, datetime.now(UTC))
    assert claim is not None
    await store.drop(claim.lease, "its incident was resolved", datetime.now(UTC))
    dropped = (await client.get(f"/v1/localizations/{id_}", params={"wait_s": LIMIT_S})).json()
    assert (dropped["status"], dropped["error"]) == ("dropped", "its incident was resolved")


def test_what_a_storm_does_is_told_by_metrics() -> None:
    told = Meters().exposition().decode()
    for name in ("model_rounds", "model_breaker", "model_seats", "model_round_latency_seconds", "interim_answers"):
        assert f"hypocenter_{name}" in told
