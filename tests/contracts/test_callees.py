"""Whom client spans name, and what messages are linked to, is the same from every source of traces."""

import asyncio
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from service.stores.case_tables import CaseTables
from tests.contracts.log_stores import as_parameter, clickhouse, clickhouse_itself
from tests.contracts.test_telemetry_ports import Store, embedded, in_memory, recorded
from tests.contracts.trace_servers import jaeger, jaeger_3, small_tempo, tempo, victoria_traces
from tests.telemetry_rows import WINDOW, Row, at, spans

TRACE, OTHER = "0a" * 16, "0b" * 16


def call(number: int, kind: str, **named: str) -> Row:
    above = f"{1:016x}" if number > 1 else ""
    return {
        "trace_id": TRACE, "span_id": f"{number:016x}", "parent_span_id": above, "start": at(number),
        "kind": kind, "status": "unset", **named,
    }  # fmt: skip


LINKED = {"linked_trace_id": OTHER, "linked_span_id": "0c" * 8}
TABLE = spans(
    call(1, "server"),
    call(2, "client", peer="ledger-db", peer_role="database"),
    call(3, "client", peer="sessions", peer_role="cache"),
    call(4, "producer", peer="kafka:orders", peer_role="queue"),
    call(5, "client", peer="api.pay.example", peer_role="external"),
    call(6, "consumer", peer="kafka:orders", peer_role="queue", **LINKED),
    call(7, "internal"),
)

WITH_LINKS: tuple[Store, ...] = (
    in_memory, recorded, embedded, jaeger, jaeger_3, victoria_traces, small_tempo, clickhouse, clickhouse_itself,
)  # fmt: skip


@pytest.mark.parametrize("store", list(map(as_parameter, WITH_LINKS)))
def test_callees_and_links_are_those_of_the_recorded_table(store: Store, tmp_path: Path) -> None:
    assert answered(store, tmp_path) == named(TABLE)


def test_a_search_of_tempo_tells_callees_and_no_links(tmp_path: Path) -> None:
    assert answered(tempo, tmp_path) == [(row["peer"], row["peer_role"], "", "") for row in TABLE.to_pylist()]


def answered(store: Store, directory: Path) -> list[tuple[str, ...]]:
    telemetry = store(CaseTables(spans=TABLE), directory / "store")
    assert telemetry.traces is not None
    table: Any = asyncio.run(telemetry.traces.spans(WINDOW))
    return named(table.sort_by("start"))


def named(table: pa.Table) -> list[tuple[str, ...]]:
    columns = ("peer", "peer_role", "linked_trace_id", "linked_span_id")
    return [tuple(row[name] for name in columns) for row in table.to_pylist()]
