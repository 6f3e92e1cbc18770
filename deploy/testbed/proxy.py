"""A TCP proxy that stands in the path of every call: it can delay what passes, stall it, or cut connections.

A proxy cannot drop packets: loss is what the ends of a TCP connection feel of it, stalls (a lost packet is sent again
after a time-out that doubles) and, when it goes on for too long, a reset.
"""

import argparse
import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from pydantic import BaseModel, ConfigDict, Field
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

CHUNK = 64 * 1024
CLOSE_LIMIT_S = 2.0
RETRANSMIT_S = 0.2
"""The least time after which TCP sends a lost packet again."""


class Weather(BaseModel):
    """How the network is on one way: each chunk comes ``delay_ms`` late (give or take ``jitter_ms``); a share
    ``stalls`` of them is lost and sent again; a share ``resets`` of them ends the connection.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    delay_ms: float = Field(default=0, ge=0, le=10_000)
    jitter_ms: float = Field(default=0, ge=0, le=5_000)
    stalls: float = Field(default=0, ge=0, le=1)
    resets: float = Field(default=0, ge=0, le=1)


class Way(BaseModel):
    """From a listening port (of ``name``, which is ``caller>pod``) to the port of a replica or store."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    listen: int
    target: int


FINE = Weather()


@dataclass(slots=True)
class Proxy:
    """All ways of a shop. ``weather`` is by the name of the way; calm where it says nothing. ``clock`` and ``sleep``
    are what it knows of time.
    """

    ways: tuple[Way, ...]
    weather: dict[str, Weather] = field(default_factory=dict[str, Weather])
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _servers: list[asyncio.Server] = field(default_factory=list[asyncio.Server])
    _open: dict["asyncio.Task[None]", "_End"] = field(default_factory=dict)

    async def open(self) -> None:
        """Listens on every way. Raises `OSError` if a port is taken."""
        for way in self.ways:
            self._servers.append(await asyncio.start_server(self._connected(way), "127.0.0.1", way.listen))

    async def close(self) -> None:
        """Listens no more, and cuts what is open."""
        for server in self._servers:
            server.close()
        for _, writer in self._open.values():
            writer.transport.abort()
        if self._open:
            await asyncio.wait(list(self._open), timeout=CLOSE_LIMIT_S)

    def port(self, number: int = 0) -> int:
        """The port that a way listens on, for those who asked for any."""
        return int(self._servers[number].sockets[0].getsockname()[1])

    def change(self, weather: Mapping[str, Weather]) -> None:
        """From now on the weather is this, on open connections too."""
        self.weather = dict(weather)

    def _connected(self, way: Way) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None, "a connection is handled in a task"
            self._open[task] = reader, writer
            try:
                with contextlib.suppress(OSError):
                    await self._both(way.name, (reader, writer), await _reach(way.target))
            finally:
                del self._open[task]
                writer.transport.abort() if self._broken(way.name) else writer.close()

        return pass_on

    async def _both(self, name: str, near: "_End", far: "_End") -> None:
        pumps = [
            asyncio.create_task(self._pump(name, near[0], far[1])),
            asyncio.create_task(self._pump(name, far[0], near[1])),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            far[1].close()

    def _broken(self, name: str) -> bool:
        return self.weather.get(name, FINE).resets > 0

    async def _pump(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Bytes of one direction, in their order, each as late as its own way took: one does not wait for the other."""
        on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=64)
        arriving = asyncio.create_task(self._arrive(on_the_way, writer))
        try:
            while data := await reader.read(CHUNK):
                weather = self.weather.get(name, FINE)
                if random.random() < weather.resets:
                    return
                await on_the_way.put((self.clock() + travel_s(weather), data))
            await on_the_way.put((0, b""))
            await arriving
        finally:
            arriving.cancel()

    async def _arrive(self, on_the_way: "asyncio.Queue[tuple[float, bytes]]", writer: asyncio.StreamWriter) -> None:
        while True:
            due, data = await on_the_way.get()
            if not data:
                return
            if (late := due - self.clock()) > 0:
                await self.sleep(late)
            writer.write(data)
            await writer.drain()


_End = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _reach(port: int) -> _End:
    return await asyncio.open_connection("127.0.0.1", port)


def travel_s(weather: Weather) -> float:
    """How long a chunk takes in that weather."""
    if weather is FINE:
        return 0.0
    seconds = max(0.0, random.gauss(weather.delay_ms, weather.jitter_ms)) / 1000
    again = RETRANSMIT_S
    while random.random() < weather.stalls and again < 2:
        seconds += again
        again *= 2
    return seconds


class _Told(BaseModel):
    ways: tuple[Way, ...]


def admin(proxy: Proxy) -> Starlette:
    """PUT /weather takes the weather by way; what it does not name is fine."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await proxy.open()
        yield
        await proxy.close()

    async def weather(request: Request) -> Response:
        told: dict[str, object] = await request.json()
        proxy.change({name: Weather.model_validate(value) for name, value in told.items()})
        return JSONResponse({"ways": len(proxy.ways)})

    async def ready(_: Request) -> Response:
        return JSONResponse({"ways": len(proxy.ways)})

    return Starlette(routes=[Route("/weather", weather, methods=["PUT"]), Route("/ready", ready)], lifespan=lifespan)


def main() -> None:
    """Runs the ways in a file until it is told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ways", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    proxy = Proxy(_Told.model_validate_json(arguments.ways.read_bytes()).ways)
    uvicorn.run(admin(proxy), host="127.0.0.1", port=arguments.port, log_config=None, timeout_graceful_shutdown=1)


if __name__ == "__main__":
    main()
