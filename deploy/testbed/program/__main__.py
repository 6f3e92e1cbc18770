"""Serves one replica of one service: `python -m deploy.testbed.program --shop … --service … --pod … --port …`."""

import argparse
import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import uvicorn
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deploy.testbed.program.clients import CalleeError, Callees, Database, redis_client
from deploy.testbed.program.consumer import consume
from deploy.testbed.program.operations import Operations
from deploy.testbed.program.telemetry import (
    LOOP_LAG,
    POOL_USED,
    POOL_WAITING,
    SERVED,
    log,
    start_logging,
    start_tracing,
    stop_tracing,
)
from deploy.testbed.program.trouble import Ailment, Trouble
from deploy.testbed.program.wiring import LOOK_S, changed_at, read_wiring
from deploy.testbed.topology import read_shop


class _Replica:
    """One process of a service."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.wiring_file = Path(arguments.wiring)
        self.shop, self.wiring = read_shop(arguments.shop), read_wiring(self.wiring_file)
        self.service, self.pod, self.version = arguments.service, arguments.pod, arguments.version
        self.first_ailment = Ailment.model_validate_json(arguments.ailment)
        told, ports = self.shop.services[self.service], self.wiring.stores[self.service]
        self.database = Database(ports.get("postgres", 0), self.service, told.pool)
        trouble = Trouble(self.database.locked, self.database.taken, self.database.resize)
        callees = Callees(self.wiring, self.service)
        self.operations = Operations(
            self.shop, self.service, callees, self.database, redis_client(ports.get("redis", 0)), trouble
        )

    def app(self) -> OpenTelemetryMiddleware:
        routes = [
            Route("/metrics", self.metrics),
            Route("/ready", self.ready),
            Route("/ailment", self.ailment, methods=["PUT", "DELETE"]),
            *(Route(f"/{name}", self.operation) for name in self.shop.services[self.service].operations),
        ]
        return OpenTelemetryMiddleware(
            Starlette(routes=routes, lifespan=self.lifespan),
            excluded_urls="metrics,ready,ailment",
            default_span_details=lambda scope: (f"{scope.get('method', 'GET')} {scope.get('path', '')}", {}),
            exclude_spans=["send", "receive"],
        )

    @contextlib.asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        told = self.shop.services[self.service]
        if "postgres" in self.wiring.stores[self.service]:
            await self.database.open()
        tasks = [asyncio.create_task(_watch_loop()), asyncio.create_task(self.follow_wiring())]
        if told.consumes:
            tasks.append(asyncio.create_task(consume(self.operations, told.consumes, self.pod)))
        await self.operations.trouble.begin(self.first_ailment)
        log.info(f"{self.service} {self.version} started")
        yield
        for task in tasks:
            task.cancel()
        await self.database.close()
        stop_tracing()

    async def follow_wiring(self) -> None:
        """Notices replicas of callees that come and go."""
        known = 0
        while True:
            if (now := changed_at(self.wiring_file)) != known:
                self.operations.callees.rewire(read_wiring(self.wiring_file))
                known = now
            await asyncio.sleep(LOOK_S)

    async def operation(self, request: Request) -> Response:
        name, begun, status = request.url.path[1:], time.perf_counter(), 500
        try:
            answer, status = await self.operations.run(name), 200
            return JSONResponse(answer)
        except CalleeError as error:
            status = error.status
            log.error(f"{name} failed: {error}")
        except RuntimeError as error:
            log.error(f"{name} failed: {error}", exc_info=True)
        finally:
            SERVED.labels(name, str(status)).observe(time.perf_counter() - begun)
        return JSONResponse({"error": "see the log"}, status)

    async def metrics(self, _: Request) -> Response:
        used, waiting = self.database.statistics()
        POOL_USED.set(used)
        POOL_WAITING.set(waiting)
        answer = Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
        LOOP_LAG.set(0)
        return answer

    async def ready(self, _: Request) -> Response:
        return JSONResponse({"version": self.version})

    async def ailment(self, request: Request) -> Response:
        trouble = self.operations.trouble
        if request.method == "PUT":
            await trouble.begin(Ailment.model_validate_json(await request.body()))
        else:
            await trouble.end()
        return JSONResponse(json.loads(trouble.ailment.model_dump_json()))


async def _watch_loop() -> None:
    """Notices how late the event loop comes back."""
    worst, pause = 0.0, 0.25
    while True:
        begun = time.perf_counter()
        await asyncio.sleep(pause)
        late = time.perf_counter() - begun - pause
        worst = max(late, LOOP_LAG._value.get())
        LOOP_LAG.set(worst)


def main() -> None:
    """Serves until it is told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("shop", "service", "pod", "wiring"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--version", default="1.0.0")
    parser.add_argument("--ailment", default="{}")
    arguments = parser.parse_args()
    start_logging()
    replica = _Replica(arguments)
    node = replica.shop.services[replica.service].node
    stores = {store.kind: name for name, store in replica.shop.stores.items()}
    start_tracing(replica.service, replica.pod, node, replica.version, replica.wiring.collector, stores)
    uvicorn.run(
        replica.app(), host="127.0.0.1", port=arguments.port, log_config=None, access_log=False,
        timeout_graceful_shutdown=2,
    )  # fmt: skip


if __name__ == "__main__":
    main()
