"""Every telemetry store keeps these promises; a new one is added to `STORES`."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path

import pyarrow as pa
import pytest

from service.domain.window import Window
from service.ports import CHANGES, LOGS, METRICS, SPANS, TOPOLOGY, Telemetry
from service.stores.alert_body import AlertGroup, alert_body
from service.stores.case_files import write_case
from service.stores.case_tables import CaseTables
from service.stores.embedded.query import EmbeddedTelemetry
from service.stores.memory import InMemoryTelemetry
from service.stores.recorded import RecordedCase
from tests.contracts import trace_servers
from tests.contracts.log_stores import LOG_SERVERS, as_parameter
from tests.stores.embedded.sending import requests_of, take_all
from tests.telemetry_rows import WINDOW, at, incident, small_tables

Ask = Callable[[Window], Awaitable[pa.Table]]
Store = Callable[[CaseTables, Path], Telemetry]


def in_memory(tables: CaseTables, directory: Path) -> Telemetry:
    return InMemoryTelemetry(tables).telemetry


def recorded(tables: CaseTables, directory: Path) -> Telemetry:
    told = incident()
    write_case(directory, told, alert_body(AlertGroup("g", "firing", told.alerts)), tables)
    return RecordedCase.open(directory).telemetry


def embedded(tables: CaseTables, directory: Path) -> Telemetry:
    take_all(directory, requests_of(tables))
    return EmbeddedTelemetry(directory).telemetry


PORTS = {"spans": SPANS, "logs": LOGS, "metrics": METRICS, "changes": CHANGES}
FROM_TABLES: dict[Store, Iterable[str]] = {in_memory: PORTS, recorded: PORTS}
"""Stores that are told once and for all what there is, and the ports that they answer."""

TRACE_SERVERS = (trace_servers.jaeger, trace_servers.jaeger_3, trace_servers.victoria_traces, trace_servers.tempo)
SERVERS = {**dict.fromkeys(TRACE_SERVERS, ("spans",)), **LOG_SERVERS}
STORES = {**FROM_TABLES, embedded: ("spans", "logs", "metrics"), **SERVERS}
TIME_COLUMNS = {"spans": "start", "logs": "time", "metrics": "time", "changes": "time"}


@pytest.fixture
def open_telemetry(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[CaseTables], Telemetry]:
    return lambda tables: request.param(tables, tmp_path / "case")


def each(stores: Iterable[Store]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("open_telemetry", stores, indirect=True, ids=lambda store: store.__name__)


def each_port(stores: Mapping[Store, Iterable[str]]) -> pytest.MarkDecorator:
    pairs = [as_parameter(store, name) for store, names in stores.items() for name in names]
    return pytest.mark.parametrize(("open_telemetry", "name"), pairs, indirect=["open_telemetry"])


def port(telemetry: Telemetry, name: str) -> Ask:
    asks: dict[str, Ask] = {}
    if telemetry.traces is not None:
        asks["spans"] = telemetry.traces.spans
    if telemetry.logs is not None:
        asks["logs"] = telemetry.logs.logs
    if telemetry.metrics is not None:
        asks["metrics"] = telemetry.metrics.metrics
    if telemetry.changes is not None:
        asks["changes"] = telemetry.changes.changes
    return asks[name]


def answer(ask: Ask, window: Window) -> pa.Table:
    async def once() -> pa.Table:
        return await ask(window)

    return asyncio.run(once())


@each_port(STORES)
class TestEveryPort:
    def test_answers_with_exactly_its_schema(
        self, open_telemetry: Callable[[CaseTables], Telemetry], name: str
    ) -> None:
        telemetry = open_telemetry(small_tables())
        assert answer(port(telemetry, name), WINDOW).schema.equals(PORTS[name])

    def test_keeps_to_the_window_and_to_all_of_it(
        self, open_telemetry: Callable[[CaseTables], Telemetry], name: str
    ) -> None:
        telemetry = open_telemetry(small_tables())
        window = Window(at(-30), at(5))
        found = answer(port(telemetry, name), window).column(TIME_COLUMNS[name]).to_pylist()
        everything = getattr(small_tables(), name).column(TIME_COLUMNS[name]).to_pylist()
        assert found == [time for time in everything if window.start <= time <= window.end]
        assert {window.start, window.end} <= set(found)

    def test_a_time_without_rows_is_an_empty_table(
        self, open_telemetry: Callable[[CaseTables], Telemetry], name: str
    ) -> None:
        telemetry = open_telemetry(small_tables())
        found = answer(port(telemetry, name), Window(at(1000), at(2000)))
        assert found.num_rows == 0
        assert found.schema.equals(PORTS[name])

    def test_a_table_without_rows_still_has_a_store(
        self, open_telemetry: Callable[[CaseTables], Telemetry], name: str
    ) -> None:
        telemetry = open_telemetry(CaseTables(**{name: PORTS[name].empty_table()}))
        assert answer(port(telemetry, name), WINDOW).num_rows == 0

    def test_asked_twice_the_answer_is_the_same(
        self, open_telemetry: Callable[[CaseTables], Telemetry], name: str
    ) -> None:
        ask = port(open_telemetry(small_tables()), name)
        assert answer(ask, WINDOW).equals(answer(ask, WINDOW))


@each_port(FROM_TABLES)
def test_without_its_table_there_is_no_store(open_telemetry: Callable[[CaseTables], Telemetry], name: str) -> None:
    present = {other: table for other, table in small_tables().present().items() if other != name}
    telemetry = open_telemetry(CaseTables(**present))
    with pytest.raises(KeyError, match=name):
        port(telemetry, name)


@each(FROM_TABLES)
def test_topology_is_the_same_at_all_times(open_telemetry: Callable[[CaseTables], Telemetry]) -> None:
    store = open_telemetry(small_tables()).topology
    assert store is not None
    found = answer(store.topology, Window(at(1000), at(2000)))
    assert found.schema.equals(TOPOLOGY)
    assert found.to_pylist()[0] == {"source": "a", "target": "b", "relation": "calls"}


@each(FROM_TABLES)
def test_without_any_table_there_is_no_store_at_all(open_telemetry: Callable[[CaseTables], Telemetry]) -> None:
    assert open_telemetry(CaseTables()) == Telemetry()
