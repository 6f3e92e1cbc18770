import asyncio
from contextlib import AsyncExitStack

import pytest

from service.llm.admission import Admission
from service.llm.allowance import Allowance
from service.telemetry import Meters
from tests.waiting import LIMIT_S

pytestmark = pytest.mark.anyio

PATIENCE_S = LIMIT_S


def admission(latency_s: float = 0.0, at_once: int = 2, waiting: int = 1) -> Admission:
    return Admission(lambda: latency_s, Meters(), at_once, waiting, slow_s=5.0)


async def test_only_so_many_are_seated_and_only_so_many_wait() -> None:
    seats = admission()
    async with AsyncExitStack() as stack:
        for _ in range(2):
            assert not seats.full
            assert await stack.enter_async_context(seats.seat(PATIENCE_S))
        assert seats.full
        assert not seats.crowded
        third = asyncio.create_task(_sit(seats))
        await asyncio.sleep(0)
        assert seats.crowded
    assert await third
    assert not seats.full


async def test_who_waits_in_vain_has_no_seat_and_takes_none() -> None:
    seats = admission(at_once=1)
    async with seats.seat(PATIENCE_S):
        async with seats.seat(0.01) as seated:
            assert not seated
        assert not seats.crowded
    assert await _sit(seats)


async def test_a_slow_model_is_asked_by_one_at_a_time() -> None:
    seats = admission(latency_s=6.0)
    async with seats.seat(PATIENCE_S) as seated:
        assert seated
        assert seats.full


async def test_seats_are_taken_in_the_order_of_coming() -> None:
    seats = admission(at_once=1, waiting=5)
    order: list[int] = []

    async def sit(n: int) -> None:
        async with seats.seat(PATIENCE_S):
            order.append(n)

    async with asyncio.TaskGroup() as group, seats.seat(PATIENCE_S):
        for n in range(4):
            group.create_task(sit(n))
        await asyncio.sleep(0)
    assert order == [0, 1, 2, 3]


async def test_who_is_cancelled_while_waiting_leaves_no_trace() -> None:
    seats = admission(at_once=1)
    async with seats.seat(PATIENCE_S):
        waiting = asyncio.create_task(_sit(seats))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
        assert not seats.crowded
    assert not seats.full


async def _sit(seats: Admission) -> bool:
    async with seats.seat(PATIENCE_S) as seated:
        return seated


def test_tokens_that_were_spent_come_back_evenly_and_are_each_tenant_s_own() -> None:
    now = [0.0]
    allowance = Allowance(3600, clock=lambda: now[0])
    allowance.spend("a", 3700)
    assert not allowance.covers("a")
    assert allowance.covers("b")
    now[0] = 99.0
    assert not allowance.covers("a")
    now[0] = 101.0
    assert allowance.covers("a")


def test_without_a_limit_everything_is_covered() -> None:
    allowance = Allowance()
    allowance.spend("a", 10**9)
    assert allowance.covers("a")
