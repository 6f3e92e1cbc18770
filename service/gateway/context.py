"""What every route works with; the composition root makes it, routes ask for it as a dependency."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Request

from service.gateway.bodies import read_body
from service.gateway.problem import Problem
from service.jobs.store import IncidentStore
from service.telemetry import Meters

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Check:
    """What readiness found about one part."""

    ok: bool
    found: str


@dataclass(slots=True)
class RateLimit:
    """A bucket of tokens that fills at ``per_s`` and holds those of two seconds; ``per_s`` 0 never runs dry."""

    per_s: float
    clock: Clock = time.monotonic
    tokens: float = field(init=False)
    filled_at: float = field(init=False)

    def __post_init__(self) -> None:
        self.tokens = self.capacity
        self.filled_at = self.clock()

    @property
    def capacity(self) -> float:
        """How many may come at once."""
        return max(1.0, 2 * self.per_s)

    def admit(self) -> None:
        """Take a token. Raises `Problem` 503 if there is none: what is not 5xx, Alertmanager would drop."""
        now = self.clock()
        self.tokens = min(self.capacity, self.tokens + (now - self.filled_at) * self.per_s)
        self.filled_at = now
        if self.per_s and self.tokens < 1:
            raise Problem(503, f"more than {self.per_s:g} requests per second", retry_after_s=1)
        self.tokens -= 1


@dataclass(frozen=True, slots=True)
class Gateway:
    """The parts behind the routes, and the limits in front of them. ``telemetry_check`` looks at the source.

    ``stopping`` is set when the process is told to stop: whoever waits is then let go.
    """

    store: IncidentStore
    meters: Meters
    rate: RateLimit
    telemetry_check: Callable[[], Awaitable[Check]]
    model_name: str
    body_limit_bytes: int = 1_000_000
    longest_wait_s: float = 60.0
    heartbeat_s: float = 15.0
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    tenant: str = ""

    def now(self) -> datetime:
        """The time, UTC."""
        return datetime.now(UTC)


def gateway(request: Request) -> Gateway:
    """The gateway of the app that this request came to."""
    found: Gateway = request.app.state.gateway
    return found


AGateway = Annotated[Gateway, Depends(gateway)]


async def json_body(request: Request, parts: AGateway) -> object:
    """The request's body, decoded."""
    return await read_body(request, parts.body_limit_bytes)


async def admitted_body(request: Request, parts: AGateway) -> object:
    """The same for what causes work: within the rate limit, which is looked at before anything is read."""
    parts.rate.admit()
    return await read_body(request, parts.body_limit_bytes)


JsonBody = Annotated[object, Depends(json_body)]
AdmittedBody = Annotated[object, Depends(admitted_body)]
