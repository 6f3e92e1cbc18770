import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

import pyarrow as pa
import pytest

from service.domain.window import Window
from service.errors import BackendError
from service.jobs.call_paths import CallPaths
from service.jobs.kin import Kin
from service.ports import TOPOLOGY, Telemetry
from tests.waiting import LIMIT_S

pytestmark = pytest.mark.anyio


ROWS = [("shop", "cart", "calls"), ("cart", "node-1", "runs_on")]
TOLD = pa.Table.from_pylist([dict(zip(TOPOLOGY.names, row, strict=True)) for row in ROWS], schema=TOPOLOGY)


class Topology:
    """Tells of one call, or that it cannot."""

    def __init__(self) -> None:
        self.down = False
        self.hung = False

    async def topology(self, window: Window) -> pa.Table:
        if self.hung:
            await asyncio.Event().wait()
        if self.down:
            raise BackendError(f"no topology of {window.start:%H:%M}")
        return TOLD


def paths(topology: Topology | None, asked: list[str] | None = None) -> CallPaths:
    @asynccontextmanager
    async def telemetry_of(tenant: str) -> AsyncGenerator[Telemetry]:
        if asked is not None:
            asked.append(tenant)
        yield Telemetry(topology=topology)

    return CallPaths(telemetry_of, timedelta(minutes=5), patience_s=3600)


def joined(kin: Kin, one: str, other: str) -> bool:
    return kin.joins(frozenset({one}), frozenset({other}))


async def test_calls_make_kin_and_what_runs_where_does_not() -> None:
    known = paths(Topology())
    assert not joined(known.of(""), "shop", "cart")
    await known.look()
    assert joined(known.of(""), "shop", "cart")
    assert not joined(known.of(""), "cart", "node-1")


async def test_what_was_known_last_stands_while_the_topology_is_not_to_be_had() -> None:
    topology = Topology()
    known = paths(topology)
    await known.look()
    topology.down = True
    await known.look()
    assert joined(known.of(""), "shop", "cart")


async def test_without_a_topology_a_service_is_its_own_kin() -> None:
    known = paths(None)
    await known.look()
    assert joined(known.of(""), "cart", "cart")


async def test_a_tenant_that_has_sent_something_is_looked_at_from_then_on() -> None:
    asked: list[str] = []
    known = paths(Topology(), asked)
    known.of("them")
    await known.look()
    assert sorted(asked) == ["", "them"]
    assert joined(known.of("them"), "shop", "cart")


async def test_it_stops_when_told_to_even_while_a_server_hangs() -> None:
    topology, stopping = Topology(), asyncio.Event()
    topology.hung = True
    running = asyncio.create_task(paths(topology).run(stopping))
    await asyncio.sleep(0)
    stopping.set()
    await asyncio.wait_for(running, LIMIT_S)
