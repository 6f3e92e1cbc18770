"""What ``hypocenter check-config`` tells: what each configured server says of the last hour, and what is missing."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from service.concurrency import gather
from service.domain.window import Window
from service.errors import BackendError
from service.ports import Telemetry
from service.stores.partial import notes_of, queries_of
from service.view.windows import RecordedWindows
from service.wiring.sources import Source

LOOKED_AT = timedelta(hours=1)
SHOWN_NAMES = 8
CLOCK_S = 5.0
"""Clocks that differ by more shift what happened when."""
STALE = timedelta(minutes=10)

_compute: Any = pc

Ask = Callable[[Window], Awaitable[pa.Table]]

HINTS = {
    "traces": "[traces] with kind and url, or exporters that send theirs to --telemetry DIR",
    "logs": "[logs] with kind and url, or exporters that send theirs to --telemetry DIR",
    "metrics": "[metrics] with kind and url, or exporters that send theirs to --telemetry DIR",
    "changes": '[changes] with kind = "kubernetes"; deployments can be sent to POST /v1/changes in any case',
    "topology": "[topology], or a Kubernetes in [changes]; who calls whom is then told by traces alone",
}
TIME = {"traces": "start", "logs": "time", "metrics": "time", "changes": "time"}
ROWS = {"traces": "spans", "logs": "records", "metrics": "samples", "changes": "changes", "topology": "relations"}
PLACES = {
    "traces": "url, tenant, database and table",
    "logs": "url, tenant, only, index, database and table",
    "metrics": "url and tenant",
    "topology": "url and namespaces",
}
"""Settings by which the right server is asked for the wrong things: it then knows nothing, and says nothing. That there
were no changes is nothing unusual.
"""
TELLING = {"traces": ("pod", "node"), "logs": ("pod", "node", "severity", "trace_id")}
"""Columns without which a signal says less."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one signal was found to have. ``failed`` if its server did not answer."""

    signal: str
    lines: tuple[str, ...]
    missing: tuple[str, ...] = ()
    failed: bool = False
    services: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Report:
    """Lines for people; ``well`` if every configured server answered."""

    lines: tuple[str, ...]
    well: bool


async def examine(source: Source, timeout_s: float, now: datetime | None = None) -> Report:
    """Ask every signal for the last hour, all at once, each within ``timeout_s``; a recorded case is just opened."""
    if isinstance(source.windows, RecordedWindows):
        check = await source.check()
        return Report((check.found,), check.ok)
    now = now or datetime.now(UTC)
    window = Window(now - LOOKED_AT, now)
    asks = _asks(source.telemetry)
    findings = await gather(*(_finding(source, signal, asks.get(signal), window, timeout_s) for signal in ROWS))
    missing = [*(line for finding in findings for line in finding.missing), *_strangers(findings), *_clocks(source)]
    lines = [line for finding in findings for line in _block(finding)]
    told = ("", "What is missing:", *(f"- {line}" for line in missing)) if missing else ("", "Nothing is missing.")
    return Report((*lines, *told), not any(finding.failed for finding in findings))


def _block(finding: Finding) -> Iterator[str]:
    names = (finding.signal, *[""] * len(finding.lines))
    yield from (f"{name:<9} {line}" for name, line in zip(names, finding.lines, strict=False))


def _asks(telemetry: Telemetry) -> Mapping[str, Ask]:
    ports: dict[str, Ask | None] = {
        "traces": telemetry.traces.spans if telemetry.traces else None,
        "logs": telemetry.logs.logs if telemetry.logs else None,
        "metrics": telemetry.metrics.metrics if telemetry.metrics else None,
        "changes": telemetry.changes.changes if telemetry.changes else None,
        "topology": telemetry.topology.topology if telemetry.topology else None,
    }
    return {signal: ask for signal, ask in ports.items() if ask is not None}


async def _finding(source: Source, signal: str, ask: Ask | None, window: Window, timeout_s: float) -> Finding:
    if ask is None:
        return Finding(signal, ("no source",), (f"{signal}: {HINTS[signal]}",))
    store = source.stores.get(signal)
    try:
        async with asyncio.timeout(timeout_s):
            found = (await store.found(),) if store is not None else ()
            table = await ask(window)
    except (BackendError, TimeoutError) as error:
        why = str(error) or f"no answer within {timeout_s:g} s"
        return Finding(signal, (why,), (f"{signal}: its server does not answer as it should, see above",), failed=True)
    return _told(signal, found, table, window.end)


def _told(signal: str, found: tuple[str, ...], table: pa.Table, now: datetime) -> Finding:
    if not table.num_rows:
        where = f"nothing of the last hour; do {PLACES.get(signal, '')} of [{signal}] say where ours is?"
        notes = tuple(f"({note})" for note in notes_of(table))
        none = (f"{signal}: {where}",) if signal in PLACES and not (signal == "topology" and notes) else ()
        return Finding(signal, (*found, f"no {ROWS[signal]} of the last hour", *notes), none)
    services = _names(table, "source" if signal == "topology" else "service")
    of = f" of {len(services)} services: {_listed(sorted(services))}" if services else ", none of which names a service"
    line = f"{table.num_rows:,} {ROWS[signal]}{of}"
    answered = sorted(queries_of(table)) if signal == "metrics" else []
    by_query = (f"answers to {len(answered)} queries: {', '.join(answered)}",) if answered else ()
    notes = (*by_query, *(f"({note})" for note in notes_of(table)))
    missing = tuple(_lacking(signal, table, services, now))
    return Finding(signal, (*found, line, *notes), missing, services=frozenset(services))


def _lacking(signal: str, table: pa.Table, services: set[str], now: datetime) -> Iterator[str]:
    if not services and signal != "topology":
        yield f'{signal}: nothing names a service; say which label or field does: [labels] service = ["…"]'
    for column in TELLING.get(signal, ()):
        if not _names(table, column):
            yield f'{signal}: nothing names a {column}; if a label or field does, say so: [labels] {column} = ["…"]'
    if signal in ("traces", "logs", "metrics"):
        age = now - _compute.max(table.column(TIME[signal])).as_py()
        if age > STALE:
            yield f"{signal}: the newest is {age.total_seconds() / 60:.0f} min old; does telemetry still come in?"


def _strangers(findings: Sequence[Finding]) -> Iterator[str]:
    """Signals that call the same services by other names, as far as that can be told."""
    named = [f for f in findings if f.signal in ("traces", "logs", "metrics") and f.services]
    for first, other in ((named[0], other) for other in named[1:]):
        if not first.services & other.services:
            yield (
                f"{first.signal} and {other.signal} have no service in common ({_listed(sorted(first.services), 3)}; "
                f"{_listed(sorted(other.services), 3)}): which label or field has the name? [labels] service = …"
            )
        elif alone := first.services - other.services:
            yield f"{other.signal}: nothing of {_listed(sorted(alone))}, which {first.signal} name"


def _clocks(source: Source) -> Iterator[str]:
    for backend in source.backends:
        ahead_s = backend.clock_ahead_s
        if ahead_s is not None and abs(ahead_s) > CLOCK_S:
            which = "ahead of" if ahead_s > 0 else "behind"
            yield f"{backend.name}: its clock is {abs(ahead_s):.0f} s {which} ours: so is when things seem to happen"


def _names(table: pa.Table, column: str) -> set[str]:
    return {name for name in _compute.unique(table.column(column)).to_pylist() if name}


def _listed(names: Sequence[str], most: int = SHOWN_NAMES) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
