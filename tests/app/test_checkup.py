"""What ``hypocenter check-config`` tells, over stores that answer from tables."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest

from service.__main__ import run
from service.app import check_config
from service.domain.window import Window
from service.errors import BackendError
from service.ports import LOGS, METRICS, SPANS, TOPOLOGY, Telemetry
from service.stores.backend import Access, Backend
from service.stores.partial import with_notes, with_queries
from service.stores.prometheus import PrometheusMetrics
from service.text import is_printable
from service.view.windows import LiveWindows
from service.wiring.checkup import Report, examine
from service.wiring.sources import Source, no_source
from tests.contracts.faulty import faulty, says
from tests.patience import patient
from tests.stores.test_prometheus import Server, one
from tests.waiting import LIMIT_S

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

Row = dict[str, object]

SPAN: Row = {
    "trace_id": "t", "span_id": "s", "parent_span_id": "", "service": "cart", "pod": "cart-0", "node": "n1",
    "operation": "get", "kind": "server", "start": NOW - timedelta(seconds=20), "duration_us": 1, "status": "ok",
}  # fmt: skip
RECORD: Row = {
    "time": NOW - timedelta(seconds=20), "service": "cart", "pod": "cart-0", "node": "n1", "severity": "INFO",
    "body": "x", "trace_id": "t", "span_id": "s",
}  # fmt: skip
SAMPLE: Row = {
    "time": NOW - timedelta(seconds=20), "component": "cart", "kind": "service", "service": "cart", "metric": "m",
    "unit": "", "value": 1.0,
}  # fmt: skip


class Store:
    """Answers every port with one table, and says of itself what it is told to say."""

    def __init__(self, table: pa.Table, error: str = "") -> None:
        self.table, self.error = table, error
        self.asked: list[Window] = []

    async def spans(self, window: Window, alerting: object = (), traces: object = ()) -> pa.Table:
        return await self.logs(window)

    async def metrics(self, window: Window, alerts: object = ()) -> pa.Table:
        return await self.logs(window)

    async def logs(self, window: Window) -> pa.Table:
        self.asked.append(window)
        if self.error:
            raise BackendError(self.error)
        return self.table

    changes = topology = logs

    async def exemplars(self, window: Window, alerts: object = ()) -> list[str]:
        return []

    async def found(self) -> str:
        return "Store: is there"


def rows(schema: pa.Schema, *told: Row) -> Store:
    return Store(pa.Table.from_pylist(list(told), schema=schema))


def source(**stores: Any) -> Source:
    return Source(Telemetry(**stores), LiveWindows(), no_source, stores=stores)


def whole(**stores: Store) -> Source:
    """A source to which nothing is missing, but for what the test makes so."""
    relation: Row = {"source": "cart", "target": "n1", "relation": "runs_on"}
    usual = {
        "traces": rows(SPANS, SPAN),
        "logs": rows(LOGS, RECORD),
        "metrics": rows(METRICS, SAMPLE),
        "changes": rows(pa.schema([("service", pa.string())])),
        "topology": rows(TOPOLOGY, relation),
    }
    return source(**usual | stores)


def report(asked: Source, timeout_s: float = LIMIT_S) -> Report:
    return asyncio.run(examine(asked, timeout_s, NOW))


def missing(asked: Source) -> list[str]:
    lines = report(asked).lines
    return [line.removeprefix("- ") for line in lines if line.startswith("- ")]


def test_what_is_there_is_told_and_nothing_is_missing() -> None:
    told = report(whole())
    assert told.well
    assert told.lines[0] == "traces    Store: is there"
    assert told.lines[1] == "          1 spans of 1 services: cart"
    assert told.lines[-1] == "Nothing is missing."


def test_the_last_hour_is_asked_for() -> None:
    asked = whole()
    report(asked)
    assert asked.telemetry.logs is not None
    assert asked.stores["logs"].asked == [Window(NOW - timedelta(hours=1), NOW)]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


MISSING: list[tuple[dict[str, Store], str]] = [
    ({"logs": rows(LOGS)}, "logs: nothing of the last hour"),
    ({"logs": rows(LOGS, RECORD | {"service": ""})}, "logs: nothing names a service"),
    ({"logs": rows(LOGS, RECORD | {"severity": ""})}, "logs: nothing names a severity"),
    ({"traces": rows(SPANS, SPAN | {"node": ""})}, "traces: nothing names a node"),
    ({"logs": rows(LOGS, RECORD | {"time": NOW - timedelta(minutes=25)})}, "logs: the newest is 25 min old"),
    ({"metrics": rows(METRICS, SAMPLE | {"service": "cart-svc"})}, "traces and metrics have no service in common"),
    ({"traces": rows(SPANS, SPAN, SPAN | {"service": "stock"})}, "logs: nothing of stock, which traces name"),
    ({"traces": Store(SPANS.empty_table(), "Tempo is gone")}, "traces: its server does not answer as it should"),
]


@pytest.mark.parametrize(("stores", "told"), MISSING)
def test_what_is_missing_is_told_in_plain_words(stores: dict[str, Store], told: str) -> None:
    assert any(line.startswith(told) for line in missing(whole(**stores)))


def test_a_server_that_fails_is_told_and_the_others_too() -> None:
    told = report(whole(logs=Store(LOGS.empty_table(), "Loki answered with 500: ring is empty")))
    assert not told.well
    assert "logs      Loki answered with 500: ring is empty" in told.lines
    assert "traces    Store: is there" in told.lines


def test_a_signal_without_a_source_is_no_failure_and_says_how_to_get_one() -> None:
    told = report(source(traces=rows(SPANS, SPAN)))
    assert told.well
    assert "logs      no source" in told.lines
    assert any("[logs] with kind and url" in line for line in told.lines)


def test_who_takes_too_long_is_not_waited_for() -> None:
    class Hung(Store):
        async def logs(self, window: Window) -> pa.Table:
            await asyncio.sleep(3600)
            return self.table

    told = report(whole(logs=Hung(LOGS.empty_table())), timeout_s=0.05)
    assert "logs      no answer within 0.05 s" in told.lines


def test_what_a_store_says_it_left_out_is_told() -> None:
    part = with_notes(pa.Table.from_pylist([RECORD], schema=LOGS), ["a tenth of the lines", "\x1b[2J\u202e"])
    lines = report(whole(logs=Store(part))).lines
    assert "          (a tenth of the lines)" in lines
    assert "          (\ufffd[2J\ufffd)" in lines


@pytest.mark.parametrize(("ahead", "told"), [(90, "Loki: its clock is 90 s ahead of ours"), (-90, "90 s behind ours")])
def test_a_clock_that_differs_is_told(ahead: int, told: str) -> None:
    backend = Backend("Loki", Access("http://loki"))
    backend.clock_ahead_s = ahead
    assert any(told in line for line in missing(replace(whole(), backends=(backend,))))


def test_a_backend_sees_how_far_a_clock_is_ahead() -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"date": "Wed, 01 Jan 2070 00:00:00 GMT"})

    backend = Backend("Loki", patient("http://loki"), httpx.MockTransport(answer))
    asyncio.run(backend.ask("GET", "/"))
    assert backend.clock_ahead_s is not None
    assert backend.clock_ahead_s > 3600


def test_a_prometheus_tells_which_labels_are_taken_for_what() -> None:
    series = {"up": [one({"job": "cart"}, "1")], "node_load1": []}

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/v1/labels":
            return httpx.Response(200, json={"status": "success", "data": ["job", "instance", "pod"]})
        if request.url.path == "/api/v1/query":
            return httpx.Response(200, json={"status": "success", "data": {"result": [{"value": [0, "4"]}]}})
        return Server(series)(request)

    told = asyncio.run(_prometheus(answer).found())
    assert (
        told == "Prometheus http://p: 4 targets, 2 questions of 2 names; service by job, pod by pod, node by instance"
    )


def test_it_tells_which_queries_about_metrics_had_answers() -> None:
    table = with_queries(
        with_notes(rows(METRICS, SAMPLE).table, ["no sample came back of b"]), {"m": "max(m)", "a": "max(a)"}
    )
    lines = report(whole(metrics=Store(table))).lines
    assert any("answers to 2 queries: a, m" in line for line in lines)
    assert any("(no sample came back of b)" in line for line in lines)


def _prometheus(answer: Callable[[httpx.Request], httpx.Response]) -> PrometheusMetrics:
    return PrometheusMetrics(Backend("Prometheus", patient("http://p"), httpx.MockTransport(answer)))


def test_the_command_tells_by_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HYPOCENTER_CONFIG", raising=False)
    config = tmp_path / "hypocenter.toml"
    config.write_text('[logs]\nkind = "loki"\nurl = "http://127.0.0.1:1"\n')
    assert run(["check-config", "--config", str(config)]) == 1
    assert "cannot be reached" in capsys.readouterr().out
    config.write_text("[logs]\nkind = 'loki'\n")
    assert run(["check-config", "--config", str(config)]) == 2
    assert "has no url" in capsys.readouterr().err


def test_a_recorded_case_is_looked_at_alone(case_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check-config", "--case", str(case_dir)]) == 0
    assert capsys.readouterr().out.startswith("recorded case ")


def test_what_a_server_says_of_itself_is_printable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HYPOCENTER_CONFIG", raising=False)
    hostile = json.dumps({"versionInfo": {"version": "\x1b[2J\u202e"}, "data": []}).encode()

    async def lines() -> tuple[str, ...]:
        async with faulty(says(200, hostile)) as server:
            config = tmp_path / "hypocenter.toml"
            receiver = f'[notify.ops]\nkind = "alertmanager"\nurl = "{server.url}"\n'
            config.write_text(f'{receiver}[logs]\nkind = "loki"\nurl = "{server.url}"\n')
            return (await check_config(config, {})).lines

    shown = asyncio.run(lines())
    assert any("\ufffd[2J\ufffd" in line for line in shown)
    assert [line for line in shown if not is_printable(line)] == []
