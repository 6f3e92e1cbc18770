"""On real sockets: what a server is asked before there is a request."""

import asyncio
from typing import cast

import pytest
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.gateway.connections import ConnectionLimits, bounded
from service.gateway.context import Gateway
from service.gateway.web import web_app
from tests.gateway.conftest import serving
from tests.waiting import LIMIT_S, turns, until

pytestmark = pytest.mark.anyio

PARSERS = [H11Protocol, cast("type[H11Protocol]", HttpToolsProtocol)]
LIVEZ = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n"


async def answer_to(port: int, *pieces: bytes) -> str:
    """What the server says to these pieces until it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await turns()  # the server reads it before the next one comes
    answer = await reader.read()
    writer.close()
    return answer.decode()


@pytest.mark.parametrize("parser", PARSERS)
async def test_a_head_that_is_too_long_is_refused(gateway: Gateway, parser: type[H11Protocol]) -> None:
    async with serving(
        web_app(gateway, "0"), bounded(ConnectionLimits(header_bytes=2000, header_s=LIMIT_S), parser)
    ) as port:
        answer = await answer_to(port, LIVEZ, b"X-Long: " + 3000 * b"x")
    assert answer.startswith("HTTP/1.1 431 ")
    assert "application/problem+json" in answer


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("pieces", [(), (LIVEZ,), (b"GET",)])
async def test_a_head_that_does_not_come_is_not_waited_for(
    gateway: Gateway, parser: type[H11Protocol], pieces: tuple[bytes, ...]
) -> None:
    async with serving(web_app(gateway, "0"), bounded(ConnectionLimits(header_s=0.1), parser)) as port:
        assert (await answer_to(port, *pieces)).startswith("HTTP/1.1 408 ")


@pytest.mark.parametrize("parser", PARSERS)
async def test_a_head_that_comes_in_pieces_is_read_and_the_next_one_too(
    gateway: Gateway, parser: type[H11Protocol]
) -> None:
    last = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    async with serving(web_app(gateway, "0"), bounded(ConnectionLimits(header_s=LIMIT_S), parser)) as port:
        answer = await answer_to(port, LIVEZ[:7], LIVEZ[7:], b"\r\n", last)
    assert answer.count("HTTP/1.1 200 ") == 2


@pytest.mark.parametrize("parser", PARSERS)
async def test_one_connection_too_many_is_told_to_come_again(gateway: Gateway, parser: type[H11Protocol]) -> None:
    async with serving(web_app(gateway, "0"), bounded(ConnectionLimits(at_once=2, header_s=LIMIT_S), parser)) as port:
        others = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        refused = await answer_to(port)
        assert refused.startswith("HTTP/1.1 503 ")
        assert "retry-after: 1" in refused.lower()
        for _, writer in others:
            writer.close()
            await writer.wait_closed()

        async def is_served() -> bool:
            return (await answer_to(port, LIVEZ + b"Connection: close\r\n\r\n")).startswith("HTTP/1.1 200 ")

        await until(is_served)  # as soon as it has seen that they are gone
