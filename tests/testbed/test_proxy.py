import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from deploy.testbed.proxy import RETRANSMIT_S, Proxy, Way, Weather
from tests.waiting import LIMIT_S, turns

TEXT = b"hello" * 1000


@dataclass
class Time:
    """Passes only where somebody sleeps, and then at once, unless it is held."""

    now_s: float = 0.0
    slept_s: list[float] = field(default_factory=list[float])
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.goes_on.set()

    async def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        ends_at_s = self.now_s + seconds
        await self.goes_on.wait()
        self.now_s = max(self.now_s, ends_at_s)


@asynccontextmanager
async def way_to_an_echo(weather: Weather | None = None, time: Time | None = None) -> AsyncGenerator[tuple[Proxy, int]]:
    passing = time or Time()
    echoing: list[asyncio.Task[None] | None] = []

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        echoing.append(asyncio.current_task())
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1000):
                writer.write(data)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    ways = (Way(name="a>b-0", listen=0, target=server.sockets[0].getsockname()[1]),)
    proxy = Proxy(ways, clock=lambda: passing.now_s, sleep=passing.sleep)
    await proxy.open()
    proxy.change({"a>b-0": weather} if weather else {})
    try:
        yield proxy, proxy.port()
    finally:
        await proxy.close()
        server.close()
        await asyncio.wait([task for task in echoing if task], timeout=LIMIT_S)


async def round_trip(port: int, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        return await asyncio.wait_for(reader.readexactly(len(data)), LIMIT_S)
    finally:
        writer.close()


def test_in_fine_weather_bytes_pass_as_they_are() -> None:
    async def scene() -> bytes:
        async with way_to_an_echo() as (_, port):
            return await round_trip(port, TEXT)

    assert asyncio.run(scene()) == TEXT


def test_a_delay_holds_both_directions_up_and_keeps_the_order() -> None:
    time = Time()

    async def scene() -> bytes:
        async with way_to_an_echo(Weather(delay_ms=150), time) as (_, port):
            return await round_trip(port, TEXT)

    assert asyncio.run(scene()) == TEXT
    assert len(time.slept_s) >= 2
    assert time.slept_s == pytest.approx([0.15] * len(time.slept_s))


def test_chunks_are_late_together_not_one_after_the_other() -> None:
    """Twenty chunks that each waited for the one before would sleep twenty times."""
    time = Time()

    async def scene() -> None:
        async with way_to_an_echo(Weather(delay_ms=500), time) as (proxy, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            time.goes_on.clear()
            for _ in range(20):
                writer.write(b"x")
                await writer.drain()
                await turns()  # each is on its way alone
            proxy.change({})  # back they come at once
            time.goes_on.set()
            await asyncio.wait_for(reader.readexactly(20), LIMIT_S)
            writer.close()

    asyncio.run(scene())
    assert time.slept_s == [0.5]


def test_lost_chunks_come_after_a_retransmission() -> None:
    time = Time()

    async def scene() -> None:
        async with way_to_an_echo(Weather(stalls=1), time) as (_, port):
            await round_trip(port, b"x")

    asyncio.run(scene())
    assert len(time.slept_s) == 2
    assert min(time.slept_s) >= RETRANSMIT_S


def test_a_reset_ends_the_connection() -> None:
    async def scene() -> None:
        async with way_to_an_echo(Weather(resets=1)) as (_, port):
            await round_trip(port, b"x")

    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        asyncio.run(scene())


def test_weather_changes_on_open_connections() -> None:
    time = Time()

    async def scene() -> list[float]:
        async with way_to_an_echo(time=time) as (proxy, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"x")
            await asyncio.wait_for(reader.readexactly(1), LIMIT_S)
            before = list(time.slept_s)
            proxy.change({"a>b-0": Weather(delay_ms=200)})
            writer.write(b"y")
            await asyncio.wait_for(reader.readexactly(1), LIMIT_S)
            writer.close()
            return before

    assert asyncio.run(scene()) == []
    assert time.slept_s == pytest.approx([0.2, 0.2])


def test_a_target_that_is_not_there_ends_the_connection() -> None:
    async def scene() -> bytes:
        proxy = Proxy((Way(name="a>b-0", listen=0, target=1),))
        await proxy.open()
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port())
            data = await asyncio.wait_for(reader.read(1), LIMIT_S)
            writer.close()
            return data
        except ConnectionError:
            return b""
        finally:
            await proxy.close()

    assert asyncio.run(scene()) == b""
