"""What is ClickHouse's own: spans, and what its answers can be; logs are in the contracts."""

import asyncio
from pathlib import Path

import httpx
import pyarrow as pa
import pytest

from service.domain.window import Window
from service.errors import BackendError, SettingsError
from service.ports import SPANS
from service.stores.backend import Backend
from service.stores.case_tables import CaseTables
from service.stores.clickhouse import ClickHouse, Tables
from service.stores.clickhouse_fake import FakeClickHouse
from service.stores.partial import notes_of, shares_of
from tests.contracts.log_stores import (
    Open,
    as_parameter,
    clickhouse,
    clickhouse_itself,
    clickhouse_of_an_older_exporter,
)
from tests.patience import patient
from tests.telemetry_rows import NOON, at, logs, spans

HOUR = Window(NOON, at(60))

each = pytest.mark.parametrize(
    "store", list(map(as_parameter, (clickhouse, clickhouse_of_an_older_exporter, clickhouse_itself)))
)


def ask(store: Open, table: pa.Table, window: Window) -> pa.Table:
    telemetry = store(CaseTables(spans=table), Path())
    assert telemetry.traces is not None
    return asyncio.run(telemetry.traces.spans(window))


@each
def test_spans_are_those_of_the_recorded_table(store: Open) -> None:
    kinds = ["server", "client", "internal", "producer", "consumer", ""]
    statuses = ["ok", "error", "unset"]
    table = spans(
        *(
            {
                "trace_id": f"{n + 1:032x}", "span_id": f"{n + 1:016x}", "parent_span_id": f"{n:016x}" if n else "",
                "service": "cart", "pod": "cart-0", "node": "n1", "operation": "GET /ü", "kind": kind,
                "start": at(n + 0.123), "duration_us": 1_000 * n, "status": statuses[n % 3],
            }
            for n, kind in enumerate(kinds)
        )
    )  # fmt: skip
    found = ask(store, table, HOUR)
    assert found.schema.equals(SPANS)
    assert found.to_pylist() == table.to_pylist()


@each
def test_both_ends_belong_to_the_window(store: Open) -> None:
    table = spans(*({"start": at(minute)} for minute in range(10)))
    assert ask(store, table, Window(at(3), at(5))).column("start").to_pylist() == [at(3), at(4), at(5)]


@each
def test_a_time_without_spans_is_an_empty_table(store: Open) -> None:
    assert ask(store, spans({"start": at(1)}), Window(at(70), at(80))).equals(SPANS.empty_table())


def asked(fake: FakeClickHouse, tables: Tables | None = None) -> ClickHouse:
    backend = Backend("ClickHouse", patient("http://clickhouse:8123"), httpx.ASGITransport(fake.app()))
    return ClickHouse(backend, tables, most_spans=100)


def test_of_many_spans_whole_traces_are_looked_at_and_their_part_is_said() -> None:
    table = spans(*({"trace_id": f"{n // 5:032x}", "span_id": f"{n:016x}", "start": at(n / 20)} for n in range(1_000)))
    found = asyncio.run(asked(FakeClickHouse(spans=table)).spans(HOUR))
    kept = found.column("trace_id").to_pylist()
    assert 0 < len(kept) <= 200
    assert all(kept.count(trace) == 5 for trace in set(kept))
    assert shares_of(found) == {"traces": 1 / 16}
    assert notes_of(found) == (f"about {len(kept)} of 1,000 spans looked at, by traces",)


def test_a_database_that_is_not_there_is_one_line() -> None:
    with pytest.raises(BackendError, match=r"^ClickHouse answered .*404.*Database does not exist"):
        asyncio.run(asked(FakeClickHouse(), Tables(database="other")).spans(HOUR))


def test_a_table_that_is_not_there_is_refused_in_its_own_words() -> None:
    with pytest.raises(BackendError, match=r"^ClickHouse answered .*400.*no such table"):
        asyncio.run(asked(FakeClickHouse(), Tables(traces="other")).spans(HOUR))


@pytest.mark.parametrize("name", ["", "otel logs", "a;drop", "x' OR '1", "a.b.c"])
def test_a_name_that_is_none_is_refused_before_anybody_is_asked(name: str) -> None:
    with pytest.raises(SettingsError, match="no name of a database or a table"):
        Tables(logs=name)


NAMES = ("trace_id", "span_id", "parent_span_id", "service", "pod", "node", "operation", "kind", "status")
ANSWER: dict[str, list[object]] = {
    **{name: ["a"] for name in (*NAMES, "linked_trace_id", "linked_span_id")},
    "attributes": [{}],
    "start": [1],
    "duration_us": [1],
}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"start": ["yesterday"]}, r"start\[0\]"),
        ({"start": [-1]}, r"start\[0\]"),
        ({"start": [2**63]}, r"start\[0\]"),
        ({"service": [3]}, r"service\[0\]"),
        ({"service": [None]}, r"service\[0\]"),
        ({"service": ["a", "b"]}, "no such table"),
        ({"service": []}, "no such table"),
    ],
)
def test_what_is_no_table_is_one_line(changed: dict[str, list[object]], told: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        counts = request.content.endswith(b"JSONCompact")
        return httpx.Response(200, json={"data": [[1]]} if counts else ANSWER | changed)

    store = ClickHouse(Backend("ClickHouse", patient("http://clickhouse:8123"), httpx.MockTransport(answer)))
    with pytest.raises(BackendError, match=told):
        asyncio.run(store.spans(HOUR))


def test_what_answers_is_told_in_one_line() -> None:
    told = asyncio.run(asked(FakeClickHouse(logs({"time": at(1)}), spans({"start": at(1)}))).found())
    assert told.startswith("ClickHouse http://clickhouse:8123: 0 rows of 0 services in the last hour in otel_logs, ")
