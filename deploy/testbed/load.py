"""Customers: journeys that start at random moments, whose mix drifts, and who notice when a result is wrong."""

import argparse
import asyncio
import contextlib
import itertools
import math
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, generate_latest
from pydantic import BaseModel, ConfigDict, Field
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deploy.testbed.program.operations import expected_sum
from deploy.testbed.topology import Shop, read_shop

PATIENCE_S = 5.0
DRIFT_S = 140.0
"""How long the mix of journeys takes to come round."""
DRIFT = 0.35
"""How far a journey's share moves, as a part of it."""
AT_ONCE = 150
"""Requests under way at most: customers beyond that are turned away and counted as failed."""

STEPS = Counter("journey_steps", "Steps of journeys, by outcome: ok, failed, wrong.", ["journey", "outcome"])
OBJECTIVE = Gauge("entry_latency_objective_seconds", "What the entry's alert on latency compares with.")
UNDER_WAY = Gauge("journey_under_way", "Journeys that were begun and are not over.")


class Surge(BaseModel):
    """One journey is begun so many times as often; "" is none."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    journey: str = ""
    times: float = Field(default=1, ge=1, le=100)


@dataclass(slots=True)
class Customers:
    """Begins journeys at the entry's replicas."""

    shop: Shop
    entries: tuple[int, ...]
    surge: Surge = field(default_factory=Surge)
    _http: httpx.AsyncClient = field(
        default_factory=lambda: httpx.AsyncClient(timeout=PATIENCE_S, limits=httpx.Limits(max_connections=AT_ONCE))
    )

    async def come(self) -> None:
        """Customers come, for ever."""
        turns, under_way = itertools.cycle(self.entries), set[asyncio.Task[None]]()
        while True:
            rates = self.rates(time.time())
            await asyncio.sleep(random.expovariate(sum(rates.values())))
            journey = random.choices(list(rates), list(rates.values()))[0]
            if len(under_way) >= AT_ONCE:
                STEPS.labels(journey, "failed").inc()
                continue
            task = asyncio.create_task(self._travel(journey, next(turns)))
            under_way.add(task)
            task.add_done_callback(under_way.discard)

    def rates(self, now_s: float) -> dict[str, float]:
        """How many of each journey begin in a second at a moment."""
        rates: dict[str, float] = {}
        for number, (name, journey) in enumerate(self.shop.journeys.items()):
            phase = 2 * math.pi * (now_s / DRIFT_S + number / len(self.shop.journeys))
            rates[name] = self.shop.rate_per_s * journey.share * (1 + DRIFT * math.sin(phase))
            rates[name] *= self.surge.times if name == self.surge.journey else 1
        return rates

    async def _travel(self, journey: str, port: int) -> None:
        with UNDER_WAY.track_inprogress():
            for target in self.shop.journeys[journey].steps:
                outcome = await self._step(target, port)
                STEPS.labels(journey, outcome).inc()
                if outcome == "failed":
                    return
                await asyncio.sleep(random.uniform(0.05, 0.3))

    async def _step(self, target: str, port: int) -> str:
        try:
            answer = await self._http.get(f"http://127.0.0.1:{port}/{target.partition('/')[2]}")
        except httpx.HTTPError:
            return "failed"
        if answer.status_code != 200:
            return "failed"
        return "ok" if answer.json()["sum"] == expected_sum(self.shop, target) else "wrong"


def app(customers: Customers) -> Starlette:
    """PUT /surge takes a `Surge`, PUT /objective milliseconds; /metrics tells how the journeys went."""
    OBJECTIVE.set(customers.shop.latency_alert_ms / 1000)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        coming = asyncio.create_task(customers.come())
        yield
        coming.cancel()

    async def surge(request: Request) -> Response:
        customers.surge = Surge.model_validate_json(await request.body())
        return JSONResponse({})

    async def objective(request: Request) -> Response:
        OBJECTIVE.set(float(await request.body()) / 1000)
        return JSONResponse({})

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    routes = [
        Route("/surge", surge, methods=["PUT"]),
        Route("/objective", objective, methods=["PUT"]),
        Route("/metrics", metrics),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


def main() -> None:
    """Sends customers until it is told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shop", required=True)
    parser.add_argument("--entries", required=True, help="ports of the entry's replicas, with commas")
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    customers = Customers(read_shop(arguments.shop), tuple(map(int, arguments.entries.split(","))))
    uvicorn.run(app(customers), host="127.0.0.1", port=arguments.port, log_config=None, timeout_graceful_shutdown=1)


if __name__ == "__main__":
    main()
