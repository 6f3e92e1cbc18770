"""From settings to where telemetry comes from."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import httpx

from service.concurrency import gather
from service.errors import BackendError, CallerError, SettingsError, StoreError
from service.gateway.context import Check
from service.ports import Telemetry
from service.settings import Settings, TelemetrySettings, WindowSettings
from service.stores.access import Access
from service.stores.backend import Backend
from service.stores.embedded.intakes import Intakes
from service.stores.embedded.query import EmbeddedTelemetry
from service.stores.embedded.retention import Retention
from service.stores.jaeger import Jaeger
from service.stores.joined_topology import JoinedTopology
from service.stores.kubernetes.store import Kubernetes
from service.stores.recorded import RecordedCase
from service.view.windows import LiveWindows, RecordedWindows, WindowPolicy
from service.wiring.adapters import open_changes, open_exemplars, open_logs, open_metrics, open_topology, open_traces
from service.wiring.backends import Backends

NO_SOURCE = (
    "no telemetry source is set (--telemetry DIR to take it in, or --case DIR, or settings such as [metrics]); "
    "what comes in is kept until there is one"
)


class Findable(Protocol):
    """A store that can say what is there."""

    async def found(self) -> str:
        """In one line. Raises `BackendError`."""
        ...


async def _nothing_to_close() -> None:
    pass


REMEMBERED_S = 15.0
"""How old what is said about readiness may be."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where telemetry comes from, which time incidents look at, how to see whether it is there, and how to end.

    ``stores`` are those that can say what is there, by their signal; ``backends`` the servers behind them.
    """

    telemetry: Telemetry
    windows: WindowPolicy
    check: Callable[[], Coroutine[Any, Any, Check]]
    aclose: Callable[[], Awaitable[None]] = _nothing_to_close
    stores: Mapping[str, Findable] = field(default_factory=dict[str, Findable])
    backends: Sequence[Backend] = ()


def open_source(settings: Settings, transport: httpx.AsyncBaseTransport | None = None) -> Source | None:
    """The telemetry source that is set; None if there is none. Raises `SettingsError` if there are two, and
    `service.errors.CaseError`.
    """
    live = _live_names(settings)
    if settings.case is None and not live:
        return None
    if settings.case is None:
        return _live_source(settings, Backends(transport))
    if live:
        raise SettingsError(f"telemetry cannot come from the case {settings.case} and from {live}: choose one")
    return _recorded_source(settings.case)


def open_intakes(settings: TelemetrySettings) -> Intakes | None:
    """The ways in for telemetry, if it is to be kept here. Raises `SettingsError` if the directory cannot be used."""
    if settings.embedded is None:
        return None
    retention = Retention(timedelta(seconds=settings.keep_s), settings.keep_bytes)
    try:
        return Intakes(settings.embedded, retention, settings.body_limit_bytes, settings.room_bytes)
    except StoreError as error:
        raise SettingsError(str(error)) from None


async def no_source() -> Check:
    """What is said where there is none."""
    return Check(ok=False, found=NO_SOURCE)


def _live_names(settings: Settings) -> str:
    """The live sources that are set."""
    groups = (settings.traces, settings.logs, settings.metrics, settings.changes, settings.topology)
    named = [
        str(settings.telemetry.embedded or ""),
        *(Access(group.url).shown if group.url else group.kind for group in groups),
    ]
    return " and ".join(dict.fromkeys(filter(None, named)))


def _live_source(settings: Settings, backends: Backends) -> Source:
    """Each signal from the server that is named for it, else what exporters send here."""
    directory = settings.telemetry.embedded
    embedded = None if directory is None else EmbeddedTelemetry(directory)
    ours = Telemetry() if embedded is None else embedded.telemetry
    traces = open_traces(settings.traces, backends)
    logs = open_logs(settings.logs, settings.labels, backends)
    metrics = open_metrics(settings.metrics, settings.labels, backends)
    changes = open_changes(settings.changes, settings.labels, backends)
    topology = open_topology(settings.topology, settings.labels, backends)
    maps = [store for store in (traces, changes, topology) if isinstance(store, Jaeger | Kubernetes)]
    telemetry = Telemetry(
        traces=traces or ours.traces,
        logs=logs or ours.logs,
        metrics=metrics or ours.metrics,
        changes=changes or ours.changes,
        topology=JoinedTopology(maps) if maps else ours.topology,
        exemplars=open_exemplars(settings.metrics, settings.labels, backends, traces),
        qualified=True,
    )
    named: dict[str, Findable | None] = {
        "traces": traces or embedded,
        "logs": logs or embedded,
        "metrics": metrics or embedded,
        "changes": changes,
        "topology": topology,
    }
    stores = {signal: store for signal, store in named.items() if store is not None}
    readiness = _Readiness(list({id(store): store for store in stores.values()}.values()))
    return Source(telemetry, _live_windows(settings.windows), readiness.check, backends.aclose, stores, backends.opened)


@dataclass(slots=True)
class _Readiness:
    """What each store says is there, remembered for a while: probes come often, and ask production.

    All is well while one answers: from the others comes no evidence, and an answer says so.
    """

    stores: Sequence[Findable]
    _check: Check | None = None
    _checked_at: float = 0.0

    async def check(self) -> Check:
        """As it was a few seconds ago at most."""
        if self._check is None or time.monotonic() - self._checked_at > REMEMBERED_S:
            told = await gather(*map(_found, self.stores))
            found = "; ".join(found for _, found in told)
            self._check = Check(ok=any(ok for ok, _ in told), found=found, needed=False)
            self._checked_at = time.monotonic()
        return self._check


async def _found(store: Findable) -> tuple[bool, str]:
    try:
        return True, await store.found()
    except BackendError as error:
        return False, str(error)


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
    there = [name for name in Telemetry.__slots__ if getattr(case.telemetry, name)]
    window = case.incident.window
    return f"recorded case {case.incident.id}: {', '.join(there)}; {window.start:%Y-%m-%d %H:%M} to {window.end:%H:%M}"
