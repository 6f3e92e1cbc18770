"""The composition root: from settings to parts that know nothing of settings."""

import asyncio
import contextlib
import importlib.metadata
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import httpx
import uvicorn

from service.agent.answering import Bench, answer
from service.agent.budget import Budget
from service.agent.localize import Outcome
from service.agent.models import fitting, fusion_of, open_model
from service.agent.rounds import OnStep
from service.domain.localization import RankedBy
from service.errors import BackendError, CallerError, SettingsError, StoreError
from service.gateway.context import Check, Gateway
from service.gateway.rate_limit import RateLimit
from service.gateway.web import web_app
from service.jobs.changes import ToldChanges
from service.jobs.sqlite import SqliteStore
from service.jobs.store import IncidentStore
from service.llm.completions import CompletionsModel
from service.llm.manifest import EMBEDDED, read_manifest
from service.llm.openai import OpenAIModel
from service.llm.promoted import STORE, model_directory
from service.llm.rules import RulesModel
from service.llm.server import Endpoint
from service.ports import ChatModel, Telemetry
from service.rank.fusion import Fusion
from service.settings import (
    LabelSettings,
    ModelSettings,
    Options,
    Settings,
    TelemetrySettings,
    WindowSettings,
    read_settings,
)
from service.stores.embedded.intake import Intake
from service.stores.embedded.query import EmbeddedTelemetry
from service.stores.embedded.retention import Retention
from service.stores.prometheus import PrometheusMetrics
from service.stores.prometheus_series import FAMILIES, Family, Labels
from service.stores.recorded import RecordedCase
from service.telemetry import Meters, log_to, logger, tracer
from service.view.windows import LiveWindows, RecordedWindows, WindowPolicy
from service.worker import Pace, Worker

TENANT = ""
"""Until callers say who they are, there is one tenant."""

HTTP_GRACE_S = 5
BACKLOG = 2048
NO_SOURCE = (
    "no telemetry source is set (--telemetry DIR to take it in, or --case DIR, or their settings); "
    "what comes in is kept until there is one"
)


@dataclass(frozen=True, slots=True)
class Source:
    """Where telemetry comes from, which time incidents look at, and how to see whether it is there."""

    telemetry: Telemetry
    windows: WindowPolicy
    check: Callable[[], Awaitable[Check]]


async def serve(config: Path | None, options: Options) -> None:
    """Run the gateway and a worker until SIGTERM or SIGINT, by the settings of a file, of the environment and of the
    command line (`service.settings`). Raises `SettingsError` if it cannot start.
    """
    settings = read_settings(os.environ, config, options)
    log_to(sys.stderr, settings.log_level)
    async with contextlib.AsyncExitStack() as closing:
        store, meters, stopping = open_store(settings.store), Meters(), asyncio.Event()
        closing.push_async_callback(store.close)
        source = open_source(settings)
        worker = None if source is None else build_worker(settings, store, source, meters)
        intake = open_intake(settings.telemetry)
        gateway = build_gateway(settings, store, source, meters, stopping)
        server = _Server(_http_config(gateway, intake))
        if intake is not None:
            closing.push_async_callback(intake.close)
        with _listening(settings.host, settings.port) as listener:
            _stop_on_signal(stopping, lambda: setattr(server, "should_exit", True))
            async with asyncio.TaskGroup() as group:
                if worker is not None:
                    group.create_task(worker.run(stopping))
                if intake is not None:
                    group.create_task(intake.run(stopping))
                await server.serve(sockets=[listener])
                stopping.set()


async def work(config: Path | None, options: Options) -> None:
    """Run a worker alone until SIGTERM or SIGINT. Raises `SettingsError` if it cannot start."""
    settings = read_settings(os.environ, config, options)
    log_to(sys.stderr, settings.log_level)
    source = open_source(settings)
    if source is None:
        raise SettingsError(NO_SOURCE)
    store, stopping = open_store(settings.store), asyncio.Event()
    _stop_on_signal(stopping)
    try:
        await build_worker(settings, store, source, Meters()).run(stopping)
    finally:
        await store.close()


async def localize_case(
    directory: Path, config: Path | None, options: Options, on_step: OnStep | None = None
) -> Outcome:
    """Localize a recorded case. Raises `SettingsError`, and `service.errors.CaseError` if it cannot be read."""
    settings = read_settings(os.environ, config, options)
    case = RecordedCase.open(directory)
    _, outcome = await answer(case.incident, build_bench(settings, case.telemetry), on_step=on_step)
    return outcome


def open_store(path: Path) -> IncidentStore:
    """The incident store. Raises `SettingsError` if the file cannot be used."""
    try:
        return SqliteStore(path)
    except StoreError as error:
        raise SettingsError(str(error)) from None


def open_source(settings: Settings) -> Source | None:
    """The telemetry source that is set; None if there is none. Raises `SettingsError` if there are two, and
    `service.errors.CaseError`.
    """
    told = settings.telemetry
    live = " and ".join(filter(None, (str(told.embedded or ""), told.prometheus_url)))
    if settings.case is None and not live:
        logger("app").warning(NO_SOURCE)
        return None
    if settings.case is None:
        return _live_source(told, open_prometheus(told, settings.labels), _live_windows(settings.windows))
    if live:
        raise SettingsError(f"telemetry cannot come from the case {settings.case} and from {live}: choose one")
    return _recorded_source(settings.case)


def open_intake(settings: TelemetrySettings) -> Intake | None:
    """The way in for telemetry, if it is to be kept here. Raises `SettingsError` if the directory cannot be used."""
    if settings.embedded is None:
        return None
    retention = Retention(timedelta(seconds=settings.keep_s), settings.keep_bytes)
    try:
        return Intake(
            settings.embedded,
            retention,
            body_limit_bytes=settings.body_limit_bytes,
            room_bytes=settings.room_bytes,
        )
    except StoreError as error:
        raise SettingsError(str(error)) from None


def _live_source(settings: TelemetrySettings, prometheus: PrometheusMetrics | None, windows: WindowPolicy) -> Source:
    """What exporters send here, but for metrics where a Prometheus has them."""
    embedded = None if settings.embedded is None else EmbeddedTelemetry(settings.embedded)
    telemetry = Telemetry() if embedded is None else embedded.telemetry

    async def check() -> Check:
        try:
            found = [await store.found() for store in (embedded, prometheus) if store is not None]
            return Check(ok=True, found="; ".join(found))
        except BackendError as error:
            return Check(ok=False, found=str(error))

    return Source(telemetry if prometheus is None else replace(telemetry, metrics=prometheus), windows, check)


def open_prometheus(
    settings: TelemetrySettings, labels: LabelSettings, transport: httpx.AsyncBaseTransport | None = None
) -> PrometheusMetrics | None:
    """The Prometheus that is set; None if there is none. What is named comes before what is usual."""
    if not settings.prometheus_url:
        return None
    usual = Labels()
    named = {kind: (*names, *getattr(usual, kind)) for kind, names in labels}
    return PrometheusMetrics(
        settings.prometheus_url,
        step_s=settings.prometheus_step_s,
        tenant=settings.prometheus_tenant,
        labels=Labels(**named),
        families=(*(Family(**told.model_dump()) for told in settings.prometheus_families), *FAMILIES),
        transport=transport,
    )


def _live_windows(settings: WindowSettings) -> LiveWindows:
    return LiveWindows(**{name.removesuffix("_s"): timedelta(seconds=s) for name, s in settings})


def _recorded_source(case: Path) -> Source:
    recorded = RecordedCase.open(case)

    async def check() -> Check:
        try:
            found = await asyncio.to_thread(RecordedCase.open, case)
        except CallerError as error:
            return Check(ok=False, found=str(error))
        return Check(ok=True, found=_describe(found))

    return Source(recorded.telemetry, RecordedWindows(recorded.incident), check)


def build_model(settings: ModelSettings) -> ChatModel | None:
    """The model that is set; None where the statistical rank answers alone. Raises `SettingsError`."""
    match settings.name:
        case "none":
            return None
        case "rules":
            return RulesModel()
        case name if (directory := model_directory(settings.store or STORE, name)) is None:
            return _served_model(Endpoint(settings.base_url, name, api_key_file=settings.api_key_file))
        case _:
            return _described_model(directory, settings)


def _described_model(directory: Path, settings: ModelSettings) -> ChatModel:
    """The model that a directory holds: its manifest says in which words it is asked, and was made to be asked. One
    that can run in this process runs on a server if one is named.
    """
    engine, url, key = read_manifest(directory).engine, settings.base_url, settings.api_key_file
    ours = engine == EMBEDDED
    if engine != "openai" and not (ours and url):
        return open_model(directory)
    manifest = fitting(directory)
    told = manifest.identity
    endpoint = Endpoint(url, told.name, told.version, told.sha256, key, manifest.rendering)
    return _served_model(endpoint, directory if ours else None)


def _served_model(endpoint: Endpoint, ours: Path | None = None) -> ChatModel:
    """A model on a server; one that was trained here is asked token by token, by what its directory says."""
    if not endpoint.url:
        raise SettingsError(
            f"model {endpoint.model}: is neither none, rules nor a model's directory or one of the store, and no "
            "model.base_url says who serves it"
        )
    _need_readable(endpoint.api_key_file)
    return OpenAIModel(endpoint) if ours is None else CompletionsModel.load(ours, endpoint)


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
        fusion=_fusion(settings.model),
    )


def _fusion(settings: ModelSettings) -> Fusion:
    """What the model's word is worth, where its manifest says so."""
    builtin = settings.name in ("none", "rules")
    directory = None if builtin else model_directory(settings.store or STORE, settings.name)
    return Fusion() if directory is None else fusion_of(read_manifest(directory))


def build_worker(settings: Settings, store: IncidentStore, source: Source, meters: Meters) -> Worker:
    """A worker over the store and the source."""
    telemetry = replace(source.telemetry, changes=ToldChanges(store, TENANT, source.telemetry.changes))
    said = settings.worker
    pace = Pace(said.at_once, said.lease_s, said.drain_s)
    return Worker(store, build_bench(settings, telemetry), source.windows, pace, meters, tracer())


def build_gateway(
    settings: Settings, store: IncidentStore, source: Source | None, meters: Meters, stopping: asyncio.Event
) -> Gateway:
    """The parts behind the routes."""
    said = settings.gateway
    return Gateway(
        store=store,
        meters=meters,
        rate=RateLimit(said.requests_per_s),
        telemetry_check=_no_source if source is None else source.check,
        model_name=settings.model.name,
        body_limit_bytes=said.body_limit_bytes,
        longest_wait_s=said.longest_wait_s,
        heartbeat_s=said.heartbeat_s,
        stopping=stopping,
        tenant=TENANT,
    )


class _Server(uvicorn.Server):
    """Leaves signals to us: who waits has to be let go before the server can end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def _http_config(gateway: Gateway, intake: Intake | None) -> uvicorn.Config:
    return uvicorn.Config(
        web_app(gateway, importlib.metadata.version("hypocenter"), intake=intake),
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=HTTP_GRACE_S,
    )


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


async def _no_source() -> Check:
    return Check(ok=False, found=NO_SOURCE)


def _describe(case: RecordedCase) -> str:
    there = [name for name in Telemetry.__slots__ if getattr(case.telemetry, name) is not None]
    window = case.incident.window
    return f"recorded case {case.incident.id}: {', '.join(there)}; {window.start:%Y-%m-%d %H:%M} to {window.end:%H:%M}"


def _need_readable(key: Path | None) -> None:
    """It is read anew for every round; that it is there can be said now."""
    try:
        if key is not None:
            key.read_bytes()
    except OSError as error:
        raise SettingsError(f"model.api_key_file {key}: {error.strerror}") from None
