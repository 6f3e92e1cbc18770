"""Small tables, a row at a time: what a test does not say is healthy and beside the point."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from service.domain.alert import Alert
from service.domain.evidence import Signal
from service.domain.incident import Incident
from service.domain.window import Window
from service.ports import CHANGES, LOGS, METRICS, SPANS, TOPOLOGY
from service.stores.case_tables import CaseTables

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
WINDOW = Window(NOON, NOON + timedelta(minutes=12))
BASELINE = Window(NOON - timedelta(minutes=40), NOON - timedelta(minutes=10))

Row = Mapping[str, object]


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def table(schema: pa.Schema, rows: tuple[Row, ...], **usual: object) -> pa.Table:
    filled = [dict.fromkeys(schema.names, "") | usual | dict(row) for row in rows]
    return pa.Table.from_pylist(filled, schema=schema)


def spans(*rows: Row) -> pa.Table:
    return table(SPANS, rows, trace_id="t", service="a", operation="get", start=NOON, duration_us=1000, status="ok")


def logs(*rows: Row) -> pa.Table:
    return table(LOGS, rows, service="a", body="hello", time=NOON)


def metrics(*rows: Row) -> pa.Table:
    return table(METRICS, rows, component="a-1", kind="pod", service="a", metric="cpu_usage", time=NOON, value=1.0)


def topology(*rows: Row) -> pa.Table:
    return table(TOPOLOGY, rows, relation="calls")


def changes(*rows: Row) -> pa.Table:
    return table(CHANGES, rows, service="a", kind="deploy", summary="a 1.1", time=NOON)


def incident(**parts: Any) -> Incident:
    usual = Incident(
        id="one",
        system="small",
        alerts=(Alert(fingerprint="f", starts_at=at(10), labels={"service": "a"}),),
        window=WINDOW,
        baselines={Signal.TRACES: BASELINE, Signal.LOGS: BASELINE, Signal.METRICS: BASELINE},
    )
    return replace(usual, **parts)


def small_tables() -> CaseTables:
    times = [at(minute) for minute in range(-35, 14)]
    return CaseTables(
        spans=spans(*({"span_id": f"s{i}", "trace_id": f"t{i}", "start": time} for i, time in enumerate(times))),
        logs=logs(*({"time": time} for time in times)),
        metrics=metrics(*({"time": time, "value": float(i)} for i, time in enumerate(times))),
        topology=topology({"source": "a", "target": "b"}, {"source": "b", "target": "node-1", "relation": "runs_on"}),
        changes=changes({"time": at(-30)}, {"time": at(5)}),
    )
