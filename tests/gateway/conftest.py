import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.auto import AutoHTTPProtocol
from uvicorn.server import ServerState

from service.gateway.callers import Scope
from service.gateway.context import Check, Gateway
from service.gateway.doors import Doors
from service.gateway.tokens import TokenFile, add_token
from service.gateway.web import web_app
from service.jobs.records import Claim, Ending, StoredStep
from service.jobs.sqlite import SqliteStore
from service.stores.embedded.intakes import Intakes
from service.telemetry import Meters
from tests.waiting import LIMIT_S

Body = dict[str, Any]
Answer = Callable[[], Awaitable[Claim]]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "store.sqlite", timeout_s=LIMIT_S, poll_s=LIMIT_S)
    yield opened
    await opened.close()


async def _fine() -> Check:
    return Check(ok=True, found="a source made for the test")


@pytest.fixture
def gateway(store: SqliteStore) -> Gateway:
    return Gateway(
        store=store,
        meters=Meters(),
        telemetry_check=_fine,
        model_name="none",
        body_limit_bytes=100_000,
        heartbeat_s=0.05,
        longest_wait_s=LIMIT_S,
        stopping=asyncio.Event(),
    )


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(web_app(gateway, "0"), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as opened:
        yield opened


@dataclass
class Keys:
    """A file of tokens, and the tokens."""

    file: Path

    def make(self, name: str, *scopes: Scope, tenant: str = "") -> httpx.Headers:
        token = add_token(self.file, name, scopes or tuple(Scope), tenant)
        return httpx.Headers({"Authorization": f"Bearer {token}"})


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    made = Keys(tmp_path / "tokens.toml")
    made.make("unused", Scope.READ)
    return made


@pytest.fixture
def closed(gateway: Gateway, keys: Keys) -> Gateway:
    """The gateway behind closed doors."""
    return replace(gateway, doors=Doors(TokenFile(keys.file), tenant_label="team"))


def client_of(gateway: Gateway, intakes: Intakes | None = None) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(web_app(gateway, "0", intakes), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


@asynccontextmanager
async def locked_out(gateway: Gateway, path: Path) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of the gateway while another process holds the file of its store."""
    store = SqliteStore(path, timeout_s=0.2)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        async with client_of(replace(gateway, store=store)) as client:
            yield client
        await store.close()  # before the file is free again: nothing of it may be written late


@asynccontextmanager
async def streamed(gateway: Gateway, path: str) -> AsyncGenerator[AsyncIterator[str]]:
    """The lines of an answer as they come, which needs a real socket: ASGITransport hands over whole answers alone."""
    async with (
        serving(web_app(gateway, "0")) as port,
        httpx.AsyncClient(timeout=LIMIT_S) as client,
        client.stream("GET", f"http://127.0.0.1:{port}{path}") as response,
    ):
        yield response.aiter_lines()


@pytest.fixture
async def closed_client(closed: Gateway, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    intakes = Intakes(tmp_path / "telemetry")
    async with client_of(closed, intakes) as opened:
        yield opened
    await intakes.close()


def alertmanager_body(*services: str, status: str = "firing") -> Body:
    """A body in the form of Alertmanager's webhook."""
    ended = "2026-03-04T05:16:07Z" if status == "resolved" else "0001-01-01T00:00:00Z"
    return {
        "version": "4",
        "groupKey": '{}:{alertname="Slow"}',
        "truncatedAlerts": 0,
        "status": status,
        "receiver": "hypocenter",
        "groupLabels": {"alertname": "Slow"},
        "commonLabels": {"alertname": "Slow"},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager:9093",
        "alerts": [
            {
                "status": status,
                "labels": {"alertname": "Slow", "service": service},
                "annotations": {"summary": f"{service} is slow"},
                "startsAt": "2026-03-04T05:06:07.123Z",
                "endsAt": ended,
                "generatorURL": "http://prometheus:9090/graph?g0.expr=up&g0.tab=1",
                "fingerprint": f"f-{service}",
            }
            for service in services
        ],
    }


def grafana_body(service: str) -> Body:
    """A body in the form of Grafana's webhook."""
    body = alertmanager_body(service)
    body |= {"version": "1", "orgId": 1, "title": "[FIRING:1] Slow", "state": "alerting", "message": "**Firing**"}
    body["alerts"][0] |= {
        "values": {"A": 0.4},
        "valueString": "[ var='A' value=0.4 ]",
        "dashboardURL": "",
        "panelURL": "",
        "silenceURL": "http://grafana/silence",
    }
    return body


@asynccontextmanager
async def serving(app: FastAPI, protocol: Any = AutoHTTPProtocol) -> AsyncGenerator[int]:
    """The app on a free port of this machine."""
    config, state = uvicorn.Config(app, http=protocol, lifespan="off", log_config=None), ServerState()
    config.load()
    server = await asyncio.get_running_loop().create_server(
        lambda: protocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    async with server:
        yield server.sockets[0].getsockname()[1]


RESULT = """{"schema_version": "1", "id": "ID", "incident_id": "INC", "status": "done", "stop": "answered",
"ranked_by": "statistical", "model": null, "unresolved": false, "seconds": 0.1, "causes": [
{"rank": 1, "component": {"kind": "pod", "name": "cart-1"}, "fault": "cpu", "confidence": 0.8, "reason": "r",
 "path": ["cart"], "evidence": []},
{"rank": 2, "component": {"kind": "service", "name": "pay"}, "fault": "slow", "confidence": 0.1, "reason": "r",
 "path": ["pay"], "evidence": []}]}"""
GRAPH = '{"services": ["cart", "pay"], "calls": [["cart", "pay"]], "pods": {"cart-1": "cart"}, "hosts": {}}'
STEPS = [StoredStep(n, f'{{"schema_version": "1", "number": {n}}}') for n in range(3)]


@pytest.fixture
def answer_next(store: SqliteStore) -> Answer:
    """Does a worker's work: takes the first localization, makes three steps, and answers it."""

    async def answer() -> Claim:
        claim = await store.claim("w", 60, datetime.now(UTC))
        assert claim is not None
        await store.add_steps(claim.lease, STEPS)
        result = RESULT.replace('"ID"', f'"{claim.localization.id}"').replace('"INC"', f'"{claim.incident.id}"')
        await store.finish(claim.lease, Ending(result, '{"frames": []}', GRAPH), datetime.now(UTC))
        return claim

    return answer
