import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from deploy.testbed.program.telemetry import stack_trace
from deploy.testbed.program.trouble import Ailment, HandlerError, Trouble
from tests.waiting import turns


@dataclass
class Held:
    """What a service's database would see."""

    held: list[str] = field(default_factory=list[str])
    sizes: list[int | None] = field(default_factory=list[int | None])

    @asynccontextmanager
    async def rows(self, table: str) -> AsyncGenerator[None]:
        self.held.append(table)
        try:
            yield
        finally:
            self.held.remove(table)

    @asynccontextmanager
    async def connections(self, count: int) -> AsyncGenerator[None]:
        self.held.append(f"{count} connections")
        try:
            yield
        finally:
            self.held.pop()

    async def resize(self, size: int | None) -> None:
        self.sizes.append(size)

    def trouble(self) -> Trouble:
        return Trouble(self.rows, self.connections, self.resize)


async def _ill(trouble: Trouble, ailment: Ailment) -> None:
    await trouble.begin(ailment)
    await turns()


def test_a_healthy_process_suffers_nothing() -> None:
    trouble = Held().trouble()
    asyncio.run(trouble.suffer("open"))
    assert not trouble.wrong("open")
    assert trouble.repeats("open") == 0
    assert trouble.timeout_s("room", 1.5) == 1.5


def test_an_error_hits_only_its_operation() -> None:
    async def scene() -> None:
        trouble = Held().trouble()
        await trouble.begin(Ailment(kind="error", operation="open", text="no handle"))
        await trouble.suffer("close")
        with pytest.raises(HandlerError, match="no handle"):
            await trouble.suffer("open")

    asyncio.run(scene())


def test_a_share_of_requests_is_hit() -> None:
    async def scene() -> int:
        trouble = Held().trouble()
        await trouble.begin(Ailment(kind="wrong-result", share=0.5))
        return sum(trouble.wrong("open") for _ in range(400))

    assert 100 < asyncio.run(scene()) < 300


@pytest.mark.parametrize(
    ("ailment", "held"),
    [(Ailment(kind="lock-row", text="guests"), "guests"), (Ailment(kind="lock-pool", amount=3), "3 connections")],
)
def test_a_lock_is_held_until_the_fault_ends(ailment: Ailment, held: str) -> None:
    async def scene() -> tuple[list[str], list[str]]:
        database = Held()
        trouble = database.trouble()
        await _ill(trouble, ailment)
        during = list(database.held)
        await trouble.end()
        return during, database.held

    assert asyncio.run(scene()) == ([held], [])


def test_a_time_limit_concerns_the_callee_that_it_names() -> None:
    async def scene() -> tuple[float, float]:
        trouble = Held().trouble()
        await trouble.begin(Ailment(kind="timeout", amount=5, callee="room"))
        return trouble.timeout_s("room", 1.5), trouble.timeout_s("hall", 1.5)

    assert asyncio.run(scene()) == (0.005, 1.5)


def test_a_pool_gets_its_size_back() -> None:
    async def scene() -> list[int | None]:
        database = Held()
        trouble = database.trouble()
        await trouble.begin(Ailment(kind="pool-size", amount=1))
        await trouble.end()
        return database.sizes

    assert asyncio.run(scene()) == [1, None]


def test_a_second_fault_cures_the_first() -> None:
    async def scene() -> list[str]:
        database = Held()
        trouble = database.trouble()
        await _ill(trouble, Ailment(kind="lock-row", text="guests"))
        await _ill(trouble, Ailment(kind="slow", amount=1))
        return database.held

    assert asyncio.run(scene()) == []


def test_a_stack_trace_tells_neither_of_the_machine_nor_of_who_made_the_trouble() -> None:
    async def scene() -> str:
        trouble = Held().trouble()
        await trouble.begin(Ailment(kind="error", text="no handle"))
        with pytest.raises(HandlerError) as caught:
            await trouble.suffer("open")
        return stack_trace(caught.value)

    told = asyncio.run(scene())
    assert told.endswith("HandlerError: no handle")
    assert "test_trouble" in told.splitlines()[1]
    assert "/" not in told
    assert 'File "trouble.py"' not in told
