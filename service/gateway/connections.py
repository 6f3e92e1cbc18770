"""Connections before they are requests: how many there may be, how long and how large what comes before a body."""

import asyncio
from dataclasses import dataclass
from typing import Any, cast

from uvicorn.protocols.http.auto import AutoHTTPProtocol
from uvicorn.protocols.http.h11_impl import H11Protocol

from service.gateway.problem import problem_response
from service.gateway.safe_headers import HEADERS


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """``at_once`` connections; the head of a request has ``header_bytes`` and comes within ``header_s``."""

    at_once: int = 500
    header_bytes: int = 32_768
    header_s: float = 10.0


PROTOCOL = cast("type[H11Protocol]", AutoHTTPProtocol)
"""With the faster parser where that is installed; what is used of it here is the same."""


def bounded(limits: ConnectionLimits, protocol: type[H11Protocol] = PROTOCOL) -> type[asyncio.Protocol]:
    """The server's protocol within these limits, of which it knows not all itself."""

    class Bounded(protocol):
        def __init__(self, *told: Any, **named: Any) -> None:
            super().__init__(*told, **named)
            self._head_bytes = 0
            self._head_due: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if len(self.connections) > limits.at_once:
                self._refuse(503, f"{limits.at_once} connections are open already", {"Retry-After": "1"})
            else:
                self._expect_head()

        def data_received(self, data: bytes) -> None:
            if self._awaits_head():
                self._expect_head()
                self._head_bytes += len(data)
            super().data_received(data)
            if not self._awaits_head():
                self._forget_head()
            elif self._head_bytes > limits.header_bytes:
                self._refuse(431, f"the head of a request is longer than {limits.header_bytes} bytes")

        def connection_lost(self, exc: Exception | None) -> None:
            self._forget_head()
            super().connection_lost(exc)

        def _awaits_head(self) -> bool:
            cycle: Any = self.cycle  # None before the first request, whatever its type says
            return cycle is None or cycle.response_complete

        def _expect_head(self) -> None:
            if self._head_due is None:
                self._head_due = self.loop.call_later(limits.header_s, self._too_late)

        def _forget_head(self) -> None:
            self._head_bytes = 0
            if self._head_due is not None:
                self._head_due.cancel()
                self._head_due = None

        def _too_late(self) -> None:
            self._refuse(408, f"the head of a request did not come within {limits.header_s:g} s")

        def _refuse(self, status: int, why: str, more: dict[str, str] | None = None) -> None:
            if not self.transport.is_closing():
                self.transport.write(_refusal(status, why, {**HEADERS, **(more or {})}))
                self.transport.close()

    return Bounded


def _refusal(status: int, why: str, headers: dict[str, str]) -> bytes:
    """A whole answer, for whom no request was read yet."""
    response = problem_response(status, why, {**headers, "Connection": "close"})
    lines = [f"HTTP/1.1 {status} ".encode(), *(name + b": " + value for name, value in response.raw_headers)]
    return b"\r\n".join([*lines, b"", bytes(response.body)])
