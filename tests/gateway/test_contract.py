"""Whatever is sent, nothing comes back that the contract does not tell, and no error of our own."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from typing import Any, cast

import pytest
import schemathesis.checks
import schemathesis.specs.openapi.checks
from hypothesis import HealthCheck, settings

from service.gateway.callers import Scope
from service.gateway.context import Check, Gateway
from service.gateway.doors import Doors
from service.gateway.tokens import TokenFile, add_token
from service.gateway.web import web_app
from service.jobs.sqlite import SqliteStore
from service.jobs.store import IncidentStore
from service.stores.embedded.intakes import Intakes
from service.telemetry import Meters
from tests.gateway.conftest import serving
from tests.leftovers import letting_threads_last
from tests.waiting import LIMIT_S

PATIENCE_S = LIMIT_S
OF_ANY: Any = schemathesis.checks
OF_OPENAPI: Any = schemathesis.specs.openapi.checks
CHECKS = [
    OF_ANY.not_a_server_error,
    OF_OPENAPI.status_code_conformance,
    OF_OPENAPI.content_type_conformance,
    OF_OPENAPI.response_headers_conformance,
    OF_OPENAPI.response_schema_conformance,
]
Case = Any

schemathesis.serializer.alias("application/x-protobuf", "application/octet-stream")


async def _fine() -> Check:
    return Check(ok=True, found="a source made for the test")


def _gateway(store: IncidentStore, doors: Doors) -> Gateway:
    return Gateway(store, Meters(), _fine, "none", doors, longest_wait_s=0.05, heartbeat_s=0.05)


def _contract() -> dict[str, Any]:
    nothing = cast("Any", object())  # the contract looks at none of the parts
    return web_app(_gateway(nothing, Doors()), "0", nothing).openapi()


CONTRACT: Any = schemathesis.openapi.from_dict(_contract())
UNCONCERNED = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
QUICK = settings(max_examples=5, suppress_health_check=UNCONCERNED, database=None)
LONG = settings(QUICK, max_examples=200)


class Running:
    """The gateway in a thread of its own, on a real socket; the token lets do everything."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._told: Queue[int] = Queue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        token = add_token(directory / "tokens", "tester", list(Scope))
        self.headers = {"Authorization": f"Bearer {token}"}

    def start(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._told.get(timeout=PATIENCE_S)}"

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(PATIENCE_S)

    async def _serve(self) -> None:
        store = SqliteStore(self._directory / "store.sqlite")
        intakes = Intakes(self._directory / "telemetry")
        app = web_app(_gateway(store, Doors(TokenFile(self._directory / "tokens"))), "0", intakes)
        async with serving(app) as port:
            self._told.put(port)
            await asyncio.to_thread(self._stopping.wait)
        await intakes.close()
        await store.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    running = Running(tmp_path_factory.mktemp("contract"))
    with letting_threads_last("store-", "embedded-", "AnyIO worker", "asyncio_"):
        yield running.start(), running.headers
        running.stop()


def check(case: Case, server: tuple[str, dict[str, str]]) -> None:
    url, headers = server
    answer = case.call(base_url=url, headers=headers, timeout=PATIENCE_S)
    case.validate_response(answer, checks=CHECKS)


@CONTRACT.parametrize()
@QUICK
def test_a_few_requests_to_every_route(case: Case, server: tuple[str, dict[str, str]]) -> None:
    check(case, server)


@pytest.mark.slow
@CONTRACT.parametrize()
@LONG
def test_many_requests_to_every_route(case: Case, server: tuple[str, dict[str, str]]) -> None:
    check(case, server)
