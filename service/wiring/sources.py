"""From settings to where telemetry comes from."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import httpx

from service.errors import BackendError, CallerError, SettingsError, StoreError
from service.gateway.context import Check
from service.ports import Telemetry
from service.settings import LabelSettings, Settings, TelemetrySettings, WindowSettings
from service.stores.backend import Access, Backend
from service.stores.embedded.intake import Intake
from service.stores.embedded.query import EmbeddedTelemetry
from service.stores.embedded.retention import Retention
from service.stores.prometheus import PrometheusMetrics
from service.stores.prometheus_series import FAMILIES, Family, Labels
from service.stores.recorded import RecordedCase
from service.telemetry import logger
from service.view.windows import LiveWindows, RecordedWindows, WindowPolicy

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


async def no_source() -> Check:
    """What is said where there is none."""
    return Check(ok=False, found=NO_SOURCE)


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
    access = Access(settings.prometheus_url, tenant=settings.prometheus_tenant)
    return PrometheusMetrics(
        Backend("Prometheus", access, transport),
        step_s=settings.prometheus_step_s,
        labels=Labels(**named),
        families=(*(Family(**told.model_dump()) for told in settings.prometheus_families), *FAMILIES),
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


def _describe(case: RecordedCase) -> str:
    there = [name for name in Telemetry.__slots__ if getattr(case.telemetry, name) is not None]
    window = case.incident.window
    return f"recorded case {case.incident.id}: {', '.join(there)}; {window.start:%Y-%m-%d %H:%M} to {window.end:%H:%M}"
