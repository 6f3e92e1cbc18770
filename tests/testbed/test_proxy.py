import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from deploy.testbed.proxy import RETRANSMIT_S, Proxy, Way, Weather

TEXT = b"hello" * 1000
LIMIT_S = 20


@asynccontextmanager
async def way_to_an_echo(weather: Weather | None = None) -> AsyncGenerator[tuple[Proxy, int]]:
    echoing: list[asyncio.Task[None] | None] = []

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        echoing.append(asyncio.current_task())
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1000):
                writer.write(data)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    proxy = Proxy((Way(name="a>b-0", listen=0, target=server.sockets[0].getsockname()[1]),))
    await proxy.open()
    proxy.change({"a>b-0": weather} if weather else {})
    try:
        yield proxy, proxy.port()
    finally:
        await proxy.close()
        server.close()
        await asyncio.wait([task for task in echoing if task], timeout=LIMIT_S)


async def round_trip(port: int, data: bytes) -> tuple[bytes, float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    begun = time.monotonic()
    try:
        writer.write(data)
        answer = await asyncio.wait_for(reader.readexactly(len(data)), LIMIT_S)
        return answer, time.monotonic() - begun
    finally:
        writer.close()


def test_in_fine_weather_bytes_pass_as_they_are() -> None:
    async def scene() -> bytes:
        async with way_to_an_echo() as (_, port):
            return (await round_trip(port, TEXT))[0]

    assert asyncio.run(scene()) == TEXT


def test_a_delay_holds_both_directions_up_and_keeps_the_order() -> None:
    async def scene() -> tuple[bytes, float]:
        async with way_to_an_echo(Weather(delay_ms=150)) as (_, port):
            return await round_trip(port, TEXT)

    answer, took_s = asyncio.run(scene())
    assert answer == TEXT
    assert took_s >= 0.3


def test_chunks_are_late_together_not_one_after_the_other() -> None:
    """Twenty chunks that each waited for the one before would take ten seconds."""

    async def scene() -> float:
        async with way_to_an_echo(Weather(delay_ms=500)) as (_, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            begun = time.monotonic()
            for _ in range(20):
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.01)
            await asyncio.wait_for(reader.readexactly(20), LIMIT_S)
            writer.close()
            return time.monotonic() - begun

    assert 1.0 <= asyncio.run(scene()) < 8


def test_lost_chunks_come_after_a_retransmission() -> None:
    async def scene() -> float:
        async with way_to_an_echo(Weather(stalls=1)) as (_, port):
            return (await round_trip(port, b"x"))[1]

    assert asyncio.run(scene()) >= 2 * RETRANSMIT_S


def test_a_reset_ends_the_connection() -> None:
    async def scene() -> None:
        async with way_to_an_echo(Weather(resets=1)) as (_, port):
            await round_trip(port, b"x")

    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        asyncio.run(scene())


def test_weather_changes_on_open_connections() -> None:
    async def scene() -> float:
        async with way_to_an_echo() as (proxy, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"x")
            await asyncio.wait_for(reader.readexactly(1), LIMIT_S)
            proxy.change({"a>b-0": Weather(delay_ms=200)})
            begun = time.monotonic()
            writer.write(b"y")
            await asyncio.wait_for(reader.readexactly(1), LIMIT_S)
            writer.close()
            return time.monotonic() - begun

    assert asyncio.run(scene()) >= 0.4


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
