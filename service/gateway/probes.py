import asyncio

from fastapi import APIRouter, FastAPI
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

from service.agent.document import SCHEMA_VERSION
from service.concurrency import gather
from service.errors import StoreError
from service.gateway.application import Application
from service.gateway.callers import ACaller, Scope
from service.gateway.context import AGateway, Check, Gateway
from service.text import printable

router = APIRouter(tags=["probes"])


@router.get("/livez")
async def livez() -> Response:
    """Whether the process answers; it asks nobody else."""
    return JSONResponse({"schema_version": SCHEMA_VERSION, "status": "alive"})


@router.get("/readyz", responses={503: {"description": "Not ready; the same body says why."}})
async def readyz(parts: AGateway, caller: ACaller) -> Response:
    """Whether alerts can be taken: 200 or 503, and what was found about each part, which a stranger is not told.

    Servers of telemetry that do not answer make it "degraded", not unready: they are likeliest to be down when alerts
    come, which are kept until there is something to look at, and what was answered before can still be read.
    """
    checks = await _checks(parts)
    ready = all(check.ok or not check.needed for check in checks.values())
    well = all(check.ok for check in checks.values())
    body = {
        "schema_version": SCHEMA_VERSION,
        "status": "ready" if well else "degraded" if ready else "not ready",
        "checks": {
            name: {"ok": check.ok, **({"found": printable(check.found)} if Scope.READ in caller.scopes else {})}
            for name, check in checks.items()
        },
    }
    return JSONResponse(body, 200 if ready else 503, headers=None if ready else {"Retry-After": "5"})


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(parts: AGateway) -> Response:
    """Our own metrics in Prometheus' text format; those about the store are left out while it does not answer."""
    try:
        backlog = await parts.store.backlog(parts.now())
    except StoreError:
        parts.meters.jobs.clear()
    else:
        for status, count in backlog.counts.items():
            parts.meters.jobs.labels(status.value).set(count)
        parts.meters.oldest_s.set(backlog.oldest_s)
    for name, check in (await _checks(parts)).items():
        parts.meters.ready.labels(name).set(check.ok)
    return Response(parts.meters.exposition(), media_type=CONTENT_TYPE_LATEST)


def probes_app(gateway: Gateway, version: str) -> FastAPI:
    """What a worker alone answers: probes and metrics, nothing that tells of incidents."""
    app = Application(gateway, "hypocenter worker", version, openapi_url=None)
    app.include_router(router)
    return app


async def _checks(parts: Gateway) -> dict[str, Check]:
    store, telemetry = await gather(_store(parts), _telemetry(parts))
    stopping = parts.stopping.is_set()
    return {
        "store": store,
        "telemetry": telemetry,
        "model": Check(ok=True, found=parts.model_name),
        "process": Check(ok=not stopping, found="stopping" if stopping else "running"),
    }


async def _telemetry(parts: Gateway) -> Check:
    try:
        async with asyncio.timeout(parts.check_timeout_s):
            return await parts.telemetry_check()
    except TimeoutError:
        return Check(ok=False, found=f"no answer within {parts.check_timeout_s:g} s", needed=False)


async def _store(parts: Gateway) -> Check:
    try:
        return Check(ok=True, found=await parts.store.check())
    except StoreError as error:
        return Check(ok=False, found=str(error))
