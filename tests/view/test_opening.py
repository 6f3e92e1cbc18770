import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pyarrow as pa
import pytest

from service.domain.alert import Alert
from service.domain.evidence import Signal
from service.domain.fault import Fault
from service.domain.incident import Incident
from service.domain.window import Window
from service.errors import BackendError
from service.ports import LOGS, Telemetry
from service.stores.case_tables import CaseTables
from service.stores.memory import InMemoryTelemetry
from service.view.opening import open_view
from service.view.view import View
from tests.conftest import CaseFactory
from tests.telemetry_rows import (
    BASELINE,
    WINDOW,
    at,
    changes,
    incident,
    logs,
    metrics,
    small_tables,
    spans,
)
from tests.waiting import LIMIT_S


def opened(telemetry: Telemetry, told: Incident | None = None, timeout_s: float = LIMIT_S) -> View:
    return asyncio.run(open_view(told or incident(), telemetry, timeout_s))


def from_tables(tables: CaseTables, told: Incident | None = None) -> View:
    return opened(InMemoryTelemetry(tables).telemetry, told)


class HungLogs:
    """A log store that does not answer while the event loop lives."""

    async def logs(self, window: Window) -> pa.Table:
        await asyncio.Event().wait()
        raise AssertionError


class FailingLogs:
    """A log store that fails for some windows."""

    def __init__(self, fails_for: tuple[Window, ...]) -> None:
        self.fails_for = fails_for

    async def logs(self, window: Window) -> pa.Table:
        if window in self.fails_for:
            raise BackendError("loki: 502 bad gateway")
        return logs({"time": window.start})


class LyingLogs:
    """A log store that answers with what nobody asked for."""

    def __init__(self, answer: pa.Table) -> None:
        self.answer = answer

    async def logs(self, window: Window) -> pa.Table:
        return self.answer


class CountingTraces:
    """A trace store that counts how many questions it has open."""

    def __init__(self) -> None:
        self.asked: list[Window] = []
        self.open = 0
        self.most_open = 0

    async def spans(self, window: Window, alerting: Sequence[str] = (), traces: Sequence[str] = ()) -> pa.Table:
        self.asked.append(window)
        self.open += 1
        self.most_open = max(self.open, self.most_open)
        await asyncio.sleep(0)
        self.open -= 1
        return spans()


class CuriousMetrics:
    """A metric store that remembers which alerts it was told of."""

    def __init__(self) -> None:
        self.told: list[Sequence[Alert]] = []

    async def metrics(self, window: Window, alerts: Sequence[Alert] = ()) -> pa.Table:
        self.told.append(alerts)
        return metrics()


def test_metrics_are_asked_with_the_alerts_at_hand_now_and_before() -> None:
    store, told = CuriousMetrics(), incident()
    opened(Telemetry(metrics=store), told)
    assert store.told == [told.alerts, told.alerts]


def test_rows_are_split_into_now_and_before() -> None:
    view = from_tables(small_tables())
    assert view.tables.spans is not None
    assert view.tables.spans.before is not None
    now, before = (table.column("start").to_pylist() for table in (view.tables.spans.now, view.tables.spans.before))
    assert now == [at(minute) for minute in range(13)]
    assert before == [at(minute) for minute in range(-35, -9)]


def test_a_row_in_window_and_baseline_belongs_to_the_window() -> None:
    overlapping = Window(at(-5), at(3))
    told = incident(baselines={Signal.LOGS: overlapping})
    view = from_tables(CaseTables(logs=logs({"time": at(-1)}, {"time": at(0)}, {"time": at(2)})), told)
    assert view.tables.logs is not None
    assert view.tables.logs.before is not None
    assert view.tables.logs.now.column("time").to_pylist() == [at(0), at(2)]
    assert view.tables.logs.before.column("time").to_pylist() == [at(-1)]


def test_a_baseline_that_lies_after_the_window_is_still_before_it_in_kind() -> None:
    told = incident(baselines={Signal.LOGS: Window(at(30), at(40))})
    view = from_tables(CaseTables(logs=logs({"time": at(1)}, {"time": at(35)})), told)
    assert view.tables.logs is not None
    assert view.tables.logs.before is not None
    assert view.tables.logs.before.column("time").to_pylist() == [at(35)]


def test_an_empty_baseline_is_not_the_same_as_none() -> None:
    rows = CaseTables(logs=logs({"time": at(1)}))
    silent = from_tables(rows).tables.logs
    unknown = from_tables(rows, incident(baselines={})).tables.logs
    assert silent is not None
    assert unknown is not None
    assert silent.before is not None
    assert silent.before.num_rows == 0
    assert unknown.before is None


def test_a_signal_without_a_baseline_is_noted() -> None:
    view = from_tables(CaseTables(logs=logs({})), incident(baselines={}))
    assert "logs: no baseline, nothing can be called new" in view.notes


def test_missing_stores_are_noted_one_by_one() -> None:
    view = from_tables(CaseTables(logs=logs({})))
    missing = {f"{name}: no source" for name in ("traces", "metrics", "changes", "topology")}
    assert missing == {note for note in view.notes if note.endswith("no source")}


def test_without_any_store_there_is_still_a_view() -> None:
    view = opened(Telemetry())
    assert view.evidence == ()
    assert view.graph.services == ("a",)


def test_changes_are_asked_from_an_hour_before_the_window() -> None:
    rows = changes(*({"time": at(minute)} for minute in (-61, -60, 0, 12, 13)))
    view = from_tables(CaseTables(changes=rows))
    assert view.tables.changes is not None
    assert view.tables.changes.column("time").to_pylist() == [at(-60), at(0), at(12)]


def test_an_alert_outside_the_window_is_taken_to_be_at_its_end() -> None:
    late = replace(incident().alerts[0], starts_at=at(50))
    assert from_tables(CaseTables(), incident(alerts=(late,))).tables.alerted_at == WINDOW.end
    assert from_tables(CaseTables()).tables.alerted_at == at(10)


def test_a_store_that_hangs_costs_its_signal_only() -> None:
    telemetry = replace(InMemoryTelemetry(small_tables()).telemetry, logs=HungLogs())
    view = opened(telemetry, timeout_s=0.05)
    assert view.tables.logs is None
    assert view.tables.spans is not None
    assert "logs: did not answer within 0.05 s" in view.notes


def test_a_store_that_fails_costs_its_signal_only() -> None:
    telemetry = replace(InMemoryTelemetry(small_tables()).telemetry, logs=FailingLogs((WINDOW, BASELINE)))
    view = opened(telemetry)
    assert view.tables.logs is None
    assert view.tables.metrics is not None
    assert "logs: loki: 502 bad gateway" in view.notes


def test_when_only_the_baseline_fails_the_window_is_kept() -> None:
    view = opened(Telemetry(logs=FailingLogs((BASELINE,))))
    assert view.tables.logs is not None
    assert view.tables.logs.before is None
    assert "logs: its baseline: loki: 502 bad gateway" in view.notes
    assert "logs: no baseline, nothing can be called new" in view.notes


def test_a_store_that_answers_with_other_columns_costs_its_signal() -> None:
    view = opened(Telemetry(logs=LyingLogs(metrics({}))))
    assert view.tables.logs is None
    assert "logs: answered with other columns than asked for" in view.notes


def test_rows_outside_the_window_that_a_store_adds_are_dropped() -> None:
    view = opened(Telemetry(logs=LyingLogs(logs({"time": at(-500)}, {"time": at(1)}))))
    assert view.tables.logs is not None
    assert view.tables.logs.now.column("time").to_pylist() == [at(1)]


def test_window_and_baseline_are_asked_together_and_once() -> None:
    store = CountingTraces()
    opened(Telemetry(traces=store))
    assert sorted(window.start for window in store.asked) == [BASELINE.start, WINDOW.start]
    assert store.most_open == 2


def test_a_case_with_logs_only_has_evidence() -> None:
    new = [{"time": at(5 + i / 10), "severity": "ERROR", "body": "cannot reach database"} for i in range(30)]
    usual = [{"time": at(i / 3), "severity": "INFO", "body": "served"} for i in range(-100, 30)]
    view = from_tables(CaseTables(logs=logs(*usual, *new)))
    assert {e.signal for e in view.evidence} == {Signal.LOGS}
    assert any("cannot reach database" in e.example for e in view.evidence)


def test_a_case_without_rows_has_no_evidence() -> None:
    empty: Mapping[str, pa.Table] = {"logs": LOGS.empty_table()}
    assert from_tables(CaseTables(**empty)).evidence == ()


@pytest.mark.parametrize("services", [1, 2])
def test_a_system_of_one_or_two_components_opens(synthetic_case: CaseFactory, services: int) -> None:
    case = synthetic_case(3, services=services, fault=Fault.SLOW)
    view = opened(case.telemetry, case.incident)
    assert len(view.graph.services) == services


def test_evidence_is_numbered_from_the_worst_down(synthetic_case: CaseFactory) -> None:
    case = synthetic_case(fault=Fault.NETWORK_DELAY)
    view = opened(case.telemetry, case.incident)
    assert [e.id for e in view.evidence] == [f"e{i}" for i in range(len(view.evidence))]
    effects = [e.effect for e in view.evidence]
    assert effects == sorted(effects, reverse=True)
    assert effects[0] > 1
