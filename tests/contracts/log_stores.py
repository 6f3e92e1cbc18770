"""Every store of logs, opened over the same small table: servers as the fakes beside the adapters speak for them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
from starlette.applications import Starlette

from service.ports import LogStore, Telemetry
from service.stores.backend import Backend
from service.stores.case_tables import CaseTables
from service.stores.clickhouse import ClickHouse
from service.stores.clickhouse_fake import FakeClickHouse
from service.stores.elasticsearch import PROFILES, ElasticsearchLogs, Index
from service.stores.elasticsearch_fake import FakeElasticsearch
from service.stores.log_fields import ECS, OTEL
from service.stores.log_sample import LogPlan
from service.stores.loki import LokiLogs
from service.stores.loki_fake import FakeLoki
from service.stores.victorialogs import VictoriaLogs
from service.stores.victorialogs_fake import FakeVictoriaLogs
from tests.patience import patient
from tests.stores.chdb_server import chdb_transport

SMALL = LogPlan(page=50, moment_page=25)
"""A hundredth of what is asked of servers."""

Open = Callable[[CaseTables, Path], Telemetry]


def backend(name: str, app: Starlette | httpx.AsyncBaseTransport) -> Backend:
    transport = httpx.ASGITransport(app) if isinstance(app, Starlette) else app
    return Backend(name, patient(f"http://{name.lower()}"), transport)


def loki(tables: CaseTables, _: Path) -> Telemetry:
    return Telemetry(logs=LokiLogs(backend("Loki", FakeLoki(_rows(tables)).app()), plan=SMALL))


def loki_that_reads_no_levels(tables: CaseTables, _: Path) -> Telemetry:
    return Telemetry(logs=LokiLogs(backend("Loki", FakeLoki(_rows(tables), detects=False).app()), plan=SMALL))


def elasticsearch_ecs(tables: CaseTables, _: Path) -> Telemetry:
    return Telemetry(logs=_elasticsearch(tables, "ecs"))


def elasticsearch_otel(tables: CaseTables, _: Path) -> Telemetry:
    return Telemetry(logs=_elasticsearch(tables, "otel"))


def opensearch_of_names_that_nobody_told(tables: CaseTables, _: Path) -> Telemetry:
    fake = FakeElasticsearch(_rows(tables), fields=OTEL, milliseconds=True)
    return Telemetry(logs=ElasticsearchLogs(backend("OpenSearch", fake.app()), plan=SMALL))


def victorialogs(tables: CaseTables, _: Path) -> Telemetry:
    return Telemetry(logs=VictoriaLogs(backend("VictoriaLogs", FakeVictoriaLogs(_rows(tables)).app()), plan=SMALL))


def clickhouse(tables: CaseTables, _: Path) -> Telemetry:
    store = ClickHouse(backend("ClickHouse", FakeClickHouse(tables.logs, tables.spans).app()), plan=SMALL)
    return Telemetry(logs=store, traces=store)


def clickhouse_of_an_older_exporter(tables: CaseTables, _: Path) -> Telemetry:
    fake = FakeClickHouse(tables.logs, tables.spans, long_names=True)
    store = ClickHouse(backend("ClickHouse", fake.app()), plan=SMALL)
    return Telemetry(logs=store, traces=store)


def clickhouse_itself(tables: CaseTables, _: Path) -> Telemetry:
    """The real thing, where its package is installed."""
    pytest.importorskip("chdb", reason="chdb, which is ClickHouse in this process, is not installed")
    store = ClickHouse(backend("ClickHouse", chdb_transport(tables.logs, tables.spans)), plan=SMALL)
    return Telemetry(logs=store, traces=store)


def _elasticsearch(tables: CaseTables, profile: str) -> LogStore:
    names = PROFILES[profile]
    assert names in (ECS, OTEL)
    fake = FakeElasticsearch(_rows(tables), fields=names)
    return ElasticsearchLogs(backend("Elasticsearch", fake.app()), Index(fields=names), SMALL)


def _rows(tables: CaseTables) -> pa.Table:
    assert tables.logs is not None
    return tables.logs


LIVE: tuple[Open, ...] = (
    loki,
    loki_that_reads_no_levels,
    elasticsearch_ecs,
    elasticsearch_otel,
    opensearch_of_names_that_nobody_told,
    victorialogs,
    clickhouse,
    clickhouse_of_an_older_exporter,
    clickhouse_itself,
)


def as_parameter(store: Open, *others: object) -> Any:
    """Of a test that runs over stores, named by it; the real ClickHouse takes long, and is for long runs."""
    marks = (pytest.mark.slow,) if store is clickhouse_itself else ()
    return pytest.param(store, *others, marks=marks, id="-".join(map(str, (store.__name__, *others))))


_OF_CLICKHOUSE = (clickhouse, clickhouse_of_an_older_exporter, clickhouse_itself)
LOG_SERVERS: dict[Open, tuple[str, ...]] = {
    **dict.fromkeys(LIVE, ("logs",)),
    **dict.fromkeys(_OF_CLICKHOUSE, ("logs", "spans")),
}
"""The same, with what they answer for."""
