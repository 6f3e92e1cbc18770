"""A server that behaves badly, on a real socket: what adapters must live with."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field

from tests.waiting import moment, turns

MOST_HEAD_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came in; names of headers are in lower case."""

    target: str
    headers: dict[str, str]
    body: bytes = b""


Behaviour = Callable[[Asked, asyncio.StreamWriter], Awaitable[None]]
"""Writes whatever it likes as the answer; the connection is closed after it."""


@dataclass(slots=True)
class FaultyServer:
    """Listens on a port of its own and keeps what it was asked."""

    behave: Behaviour
    asked: list[Asked] = field(default_factory=list[Asked])
    url: str = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            try:
                request = await _request(reader)
                self.asked.append(request)
                await self.behave(request, writer)
                await writer.drain()
            finally:
                writer.close()


@contextlib.asynccontextmanager
async def faulty(behave: Behaviour, tls: ssl.SSLContext | None = None) -> AsyncGenerator[FaultyServer]:
    """A server that behaves so, as long as the block lasts; who still hangs then is cut off."""
    made, connections, writers = FaultyServer(behave), set[asyncio.Task[None]](), list[asyncio.StreamWriter]()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        task = asyncio.ensure_future(made.answer(reader, writer))
        connections.add(task)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    made.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        for writer in writers:
            writer.close()  # of a connection that was taken, and cut off before anybody looked at it
        await server.wait_closed()
        await turns()  # in which handshakes that the other side broke off come to their end


def says(status: int, body: bytes = b"", **headers: str) -> Behaviour:
    """Answers everything so. Underscores in names of headers are dashes."""
    told = {"content-length": str(len(body)), **{name.replace("_", "-"): value for name, value in headers.items()}}
    head = "".join(f"{name}: {value}\r\n" for name, value in told.items())

    async def behave(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status} -\r\nconnection: close\r\n{head}\r\n".encode() + body)

    return behave


async def hangs(_: Asked, __: asyncio.StreamWriter) -> None:
    """Takes the question and never says anything."""
    await asyncio.sleep(3600)


async def drips(_: Asked, writer: asyncio.StreamWriter) -> None:
    """Says something often enough for every single wait, and never comes to an end."""
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"1\r\n \r\n")
        await writer.drain()
        await moment()


async def dies(_: Asked, __: asyncio.StreamWriter) -> None:
    """Closes the connection instead of an answer."""


async def no_http(_: Asked, writer: asyncio.StreamWriter) -> None:
    """Speaks something else."""
    writer.write(b"\x00\x01SSH-2.0-mainframe\r\n\r\n")


async def _request(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")[:MOST_HEAD_BYTES]
    first, *lines = head.split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(first.split(" ")[1], headers, body)
