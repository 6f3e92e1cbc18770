"""The composition root: from settings to parts that know nothing of settings."""

import asyncio
import contextlib
import importlib.metadata
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from opentelemetry.trace import Tracer
from uvicorn.loops.auto import auto_loop_factory

from service.agent.answering import Bench, answer
from service.agent.budget import Budget
from service.agent.links import Links, Template
from service.agent.localize import Outcome
from service.agent.rounds import OnStep
from service.concurrency import gather
from service.domain.evidence import Signal
from service.domain.incident import Incident
from service.domain.localization import RankedBy
from service.errors import SettingsError
from service.gateway.connections import ConnectionLimits, bounded
from service.gateway.context import Gateway
from service.gateway.doors import Doors
from service.gateway.probes import probes_app
from service.gateway.web import web_app
from service.jobs.changes import ToldChanges
from service.jobs.measured import measured
from service.jobs.outage import Outage
from service.jobs.store import IncidentStore
from service.notify.courier import Courier, Patience, Target
from service.ports import Telemetry
from service.settings import Options, Settings, read_settings
from service.stores.case_files import need_free
from service.stores.recorded import RecordedCase
from service.telemetry import Meters, log_to, logger
from service.text import printable
from service.view.saving import save_view
from service.wiring import storms
from service.wiring.asking import Asked
from service.wiring.checkup import Report, examine
from service.wiring.doors import alerts_room, connection_limits, open_doors, probe_doors, rate_limits
from service.wiring.models import build_fusion, build_model, title
from service.wiring.notify import examine_targets, open_targets, wanting
from service.wiring.own_telemetry import build_meters, told_model, tracing
from service.wiring.sources import NO_SOURCE, no_source, open_intakes, open_source
from service.wiring.storage import build_retention, has_store, open_store
from service.wiring.tenants import TenantSources, open_sources, settings_of, settings_of_known
from service.worker import Worker

VERSION = importlib.metadata.version("hypocenter")
HTTP_GRACE_S = 5
BACKLOG = 2048


def run_server(server: Coroutine[Any, Any, None]) -> None:
    """Run `serve` or `work` on the fastest event loop that is installed."""
    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
        runner.run(server)


async def serve(config: Path | None, options: Options) -> None:
    """Run the gateway and a worker until SIGTERM or SIGINT, by the settings of a file, of the environment and of the
    command line (`service.settings`). Raises `SettingsError` if it cannot start.
    """
    settings = read_settings(os.environ, config, options)
    log_to(sys.stderr, settings.log_level, settings.log_format)
    async with contextlib.AsyncExitStack() as closing:
        doors, stopping, outage = open_doors(settings), asyncio.Event(), Outage()
        traced = closing.enter_context(tracing(settings.own_telemetry, VERSION))
        sources = open_sources(settings)
        meters = build_meters(settings, VERSION, sources)
        store = measured(open_store(settings, meters.store_losses.inc), meters)
        closing.push_async_callback(store.close)
        if sources is None:
            logger("app").warning(NO_SOURCE)
        else:
            closing.push_async_callback(sources.aclose)
        targets = open_targets(settings.notify, closing)
        courier = build_courier(settings, store, targets, meters, traced, outage)
        worker = None
        if sources is not None and settings.worker.at_once:
            worker = build_worker(settings, store, sources, meters, traced, targets, outage)
        intakes = open_intakes(settings.telemetry)
        paths = storms.build_call_paths(settings.grouping, sources)
        gateway = build_gateway(settings, doors, store, sources, meters, stopping)
        gateway = replace(gateway, tracer=traced, kin_of=paths.of)
        server = _Server(_http_config(web_app(gateway, VERSION, intakes), connection_limits(settings.gateway)))
        if intakes is not None:
            closing.push_async_callback(intakes.close)
        with _listening(settings.host, settings.port) as listener:
            parts = (worker, courier, intakes, paths, build_retention(settings, store, outage))
            also = [part.run(stopping) for part in parts if part is not None]
            await _until_stopped(server, listener, stopping, *also)


async def work(config: Path | None, options: Options) -> None:
    """Run a worker alone until SIGTERM or SIGINT; where a port is set for it, it tells there how it is.

    Raises `SettingsError` if it cannot start.
    """
    settings = read_settings(os.environ, config, options)
    log_to(sys.stderr, settings.log_level, settings.log_format)
    if settings.worker.at_once == 0:
        raise SettingsError("worker.at_once is 0: a worker alone would do nothing")
    async with contextlib.AsyncExitStack() as closing:
        traced = closing.enter_context(tracing(settings.own_telemetry, VERSION))
        sources = open_sources(settings)
        if sources is None:
            raise SettingsError(NO_SOURCE)
        closing.push_async_callback(sources.aclose)
        meters, stopping, outage = build_meters(settings, VERSION, sources), asyncio.Event(), Outage()
        store = measured(open_store(settings, meters.store_losses.inc), meters)
        closing.push_async_callback(store.close)
        targets = open_targets(settings.notify, closing)
        worker = build_worker(settings, store, sources, meters, traced, targets, outage)
        courier = build_courier(settings, store, targets, meters, traced, outage)
        parts = (worker, courier, build_retention(settings, store, outage))
        if (port := settings.worker.port) is None:
            _stop_on_signal(stopping)
            await gather(*(part.run(stopping) for part in parts))
        else:
            gateway = build_gateway(settings, probe_doors(settings), store, sources, meters, stopping)
            server = _Server(_http_config(probes_app(gateway, VERSION), connection_limits(settings.gateway)))
            with _listening(settings.host, port) as listener:
                await _until_stopped(server, listener, stopping, *(part.run(stopping) for part in parts))


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer and where people can look at its evidence."""

    outcome: Outcome
    links: Links


async def localize_case(
    directory: Path, config: Path | None, options: Options, on_step: OnStep | None = None, save: Path | None = None
) -> Answered:
    """Localize a recorded case, and ``save`` what was seen of it as a case of its own.

    Raises `SettingsError`, and `service.errors.CaseError` if it cannot be read, or saved there.
    """
    settings = read_settings(os.environ, config, options)
    case = RecordedCase.open(directory)
    return await _answered(case.incident, build_bench(settings, case.telemetry), on_step, save)


async def localize_asked(
    asked: Asked, config: Path | None, options: Options, on_step: OnStep | None = None, save: Path | None = None
) -> Answered:
    """Localize what somebody asks about with the telemetry that is set, and ``save`` all that was fetched as a case:
    localized again, it has the same answer.

    Raises `SettingsError`, `service.errors.CallerError`, and `service.errors.CaseError` if it cannot be saved there.
    """
    settings, now = read_settings(os.environ, config, options), datetime.now(UTC)
    sighting = asked.sighting(now, storms.trusted_of(settings.labels))
    async with contextlib.AsyncExitStack() as closing:
        source = open_source(settings_of_known(settings, asked.tenant))
        if source is None:
            raise SettingsError(NO_SOURCE)
        closing.push_async_callback(source.aclose)
        telemetry = source.telemetry
        if has_store(settings):  # a server's, which may have been told of changes
            store = open_store(settings)
            closing.push_async_callback(store.close)
            telemetry = with_told_changes(telemetry, store, asked.tenant)
        incident = source.windows.incident(sighting, asked.moment(now))
        return await _answered(incident, build_bench(settings, telemetry), on_step, save)


async def _answered(incident: Incident, bench: Bench, on_step: OnStep | None, save: Path | None) -> Answered:
    if save is not None:
        need_free(save)
    view, outcome = await answer(incident, bench, on_step=on_step)
    if save is not None:
        await asyncio.to_thread(save_view, view, save)
    return Answered(outcome, bench.links)


async def check_config(config: Path | None, options: Options) -> Report:
    """Ask every server that the settings name, and look whether who is told answers can be reached.

    Raises `SettingsError` where they cannot be meant, or name no server of telemetry.
    """
    settings = read_settings(os.environ, config, options)
    build_model(settings.model)
    async with contextlib.AsyncExitStack() as closing:
        source = open_source(settings_of(settings, ""))
        if source is None:
            raise SettingsError(NO_SOURCE)
        closing.push_async_callback(source.aclose)
        targets = await examine_targets(open_targets(settings.notify, closing))
        asked = await examine(source, settings.budget.telemetry_timeout_s)
        lines = tuple(map(printable, (*targets.lines, *asked.lines)))  # they repeat what servers answer
        return Report(lines, asked.well and targets.well)


def build_bench(settings: Settings, telemetry: Telemetry) -> Bench:
    """What localizations are made with."""
    said = settings.budget
    budget = Budget(said.depth, said.frames, said.turns, said.tokens, reply_timeout_s=settings.model.timeout_s)
    return Bench(
        telemetry=telemetry,
        model=build_model(settings.model),
        rank=RankedBy(settings.rank),
        budget=budget,
        deadline_s=said.deadline_s,
        telemetry_timeout_s=said.telemetry_timeout_s,
        fusion=build_fusion(settings.model),
        links=Links({Signal(name): tuple(map(Template, texts)) for name, texts in settings.links}),
    )


def with_told_changes(telemetry: Telemetry, store: IncidentStore, tenant: str) -> Telemetry:
    """The stores, and beside their changes those that the tenant told here."""
    return replace(telemetry, changes=ToldChanges(store, tenant, telemetry.changes))


def build_worker(
    settings: Settings,
    store: IncidentStore,
    sources: TenantSources,
    meters: Meters,
    tracer: Tracer,
    targets: Sequence[Target],
    outage: Outage,
) -> Worker:
    """A worker over the store and the sources, whose answers go to those of the targets that want them."""

    @contextlib.asynccontextmanager
    async def telemetry_of(tenant: str) -> AsyncGenerator[Telemetry]:
        async with sources.lent(tenant) as source:
            yield with_told_changes(source.telemetry, store, tenant)

    bench, pace = build_bench(settings, sources.shared.telemetry), storms.build_pace(settings)
    model = None if bench.model is None else told_model(settings, bench.model, meters)
    consultation = storms.build_consultation(settings.model, model, meters)
    windows, tell = sources.shared.windows, wanting(targets)
    return Worker(store, bench, windows, pace, meters, tracer, telemetry_of, consultation, tell, outage)


def build_courier(
    settings: Settings,
    store: IncidentStore,
    targets: Sequence[Target],
    meters: Meters,
    tracer: Tracer,
    outage: Outage,
) -> Courier:
    """Who delivers what the store has for the targets."""
    patience = Patience(drain_s=settings.worker.drain_s)
    return Courier(store, targets, patience, meters, settings.public_url, tracer, outage)


def build_gateway(
    settings: Settings,
    doors: Doors,
    store: IncidentStore,
    sources: TenantSources | None,
    meters: Meters,
    stopping: asyncio.Event,
) -> Gateway:
    """The parts behind the routes."""
    said = settings.gateway
    return Gateway(
        store=store,
        meters=meters,
        doors=doors,
        rates=rate_limits(said),
        looking_at_once=said.connections // 2,
        telemetry_check=no_source if sources is None else sources.shared.check,
        model_name=title(settings.model),
        severities=storms.severities_of(settings.grouping),
        trusted=storms.trusted_of(settings.labels),
        again=timedelta(seconds=settings.grouping.again_s),
        no_incidents=storms.no_incidents_of(settings.grouping),
        alerts_limit_bytes=said.alerts_limit_bytes,
        alerts_room=alerts_room(said),
        body_limit_bytes=said.body_limit_bytes,
        longest_wait_s=said.longest_wait_s,
        heartbeat_s=said.heartbeat_s,
        stopping=stopping,
    )


class _Server(uvicorn.Server):
    """Leaves signals to us: who waits has to be let go before the server can end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def _http_config(app: FastAPI, limits: ConnectionLimits) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=bounded(limits),
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=HTTP_GRACE_S,
    )


async def _until_stopped(
    server: _Server, listener: socket.socket, stopping: asyncio.Event, *also: Coroutine[Any, Any, None]
) -> None:
    """Serve, and run what runs beside it, until a signal comes."""
    _stop_on_signal(stopping, lambda: setattr(server, "should_exit", True))
    async with asyncio.TaskGroup() as group:
        for part in also:
            group.create_task(part)
        await server.serve(sockets=[listener])
        stopping.set()


@contextlib.contextmanager
def _listening(host: str, port: int) -> Generator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio turns Nagle's delay (40 ms an answer) off only where it is.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(BACKLOG)
        except OSError as error:
            raise SettingsError(f"cannot listen on {host} port {port}: {error.strerror}") from None
        logger("app").info("listening on %s port %d", *listener.getsockname()[:2])
        yield listener


def _stop_on_signal(stopping: asyncio.Event, also: Callable[[], None] = lambda: None) -> None:
    def stop() -> None:
        stopping.set()
        also()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
