"""What every route works with; the composition root makes it, routes ask for it as a dependency."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Depends, Request
from opentelemetry.trace import Tracer

from service.domain.subject import NONE_TRUSTED, Trusted
from service.gateway.bodies import read_body
from service.gateway.doors import Doors
from service.gateway.rate_limit import RateLimits
from service.jobs.kin import AGAIN, NO_KIN, Kin
from service.jobs.no_incidents import USUALLY, NoIncidents
from service.jobs.priority import STANDARD, Severities
from service.jobs.store import IncidentStore
from service.stores.embedded.room import Room
from service.telemetry import Meters, tracer


@dataclass(frozen=True, slots=True)
class Check:
    """What readiness found about one part, and whether nothing can be taken without it."""

    ok: bool
    found: str
    needed: bool = True


def _no_kin(_tenant: str) -> Kin:
    return NO_KIN


@dataclass(frozen=True, slots=True)
class Gateway:
    """The parts behind the routes, and the limits in front of them. ``telemetry_check`` looks at the source.

    ``stopping`` is set when the process is told to stop: whoever waits is then let go.
    """

    store: IncidentStore
    meters: Meters
    telemetry_check: Callable[[], Awaitable[Check]]
    model_name: str
    doors: Doors = field(default_factory=lambda: Doors(open=True))
    rates: RateLimits = field(default_factory=RateLimits)
    kin_of: Callable[[str], Kin] = _no_kin
    severities: Severities = STANDARD
    trusted: Trusted = NONE_TRUSTED
    again: timedelta = AGAIN
    no_incidents: NoIncidents = USUALLY
    looking_at_once: int = 250
    body_limit_bytes: int = 1_000_000
    alerts_limit_bytes: int = 16_000_000
    alerts_room: Room = field(default_factory=lambda: Room(32_000_000, "alerts"))
    body_timeout_s: float = 10.0
    check_timeout_s: float = 5.0
    longest_wait_s: float = 60.0
    heartbeat_s: float = 15.0
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    tracer: Tracer = field(default_factory=tracer)

    def now(self) -> datetime:
        """The time, UTC."""
        return datetime.now(UTC)


# What is not a coroutine would be run in a thread for every request, which costs more than parsing its body.
async def gateway(request: Request) -> Gateway:
    """The gateway of the app that this request came to."""
    found: Gateway = request.app.state.gateway
    return found


AGateway = Annotated[Gateway, Depends(gateway)]


async def json_body(request: Request, parts: AGateway) -> object:
    """The request's body, decoded."""
    return await read_body(request, parts.body_limit_bytes, parts.body_timeout_s)


JsonBody = Annotated[object, Depends(json_body)]
