from dataclasses import replace
from datetime import timedelta

import pytest

from service.domain.component import ComponentKind
from service.domain.evidence import Signal
from service.domain.fault import Fault
from service.domain.graph import ServiceGraph
from service.evidence.assess import assess
from service.evidence.tables import Compared, Tables
from service.view.view import View
from tests.conftest import CaseFactory
from tests.evidence.traces import EMPTY_GRAPH, Did, traces
from tests.patience import open_patiently
from tests.telemetry_rows import at, changes, metrics


def _view(case: CaseFactory, seed: int, fault: Fault | None = None) -> View:
    made = case(seed, services=10, traces=120, fault=fault)
    return open_patiently(made.incident, made.telemetry)


def test_without_any_telemetry_there_is_no_evidence() -> None:
    found = assess(Tables(at(10)), EMPTY_GRAPH)
    assert (found.evidence, found.onset) == ((), None)


def test_a_signal_without_a_baseline_gives_no_rows() -> None:
    now = traces("now", [Did("a", "get", 500)] * 50)
    assert assess(Tables(at(10), spans=Compared(now, None)), EMPTY_GRAPH).evidence == ()


def test_an_empty_baseline_is_one_in_which_nothing_was_seen() -> None:
    now = traces("now", [Did("a", "get", 500)] * 50)
    assert assess(Tables(at(10), spans=Compared(now, now.slice(0, 0))), EMPTY_GRAPH).evidence == ()


def test_the_onset_is_when_requests_became_slow_not_when_the_alert_fired() -> None:
    now = traces("now", [Did("a", "get", 10)] * 200 + [Did("a", "get", 900)] * 150)
    before = traces("before", [Did("a", "get", 10)] * 200)
    onset = assess(Tables(at(5.5), spans=Compared(now, before)), EMPTY_GRAPH).onset
    assert onset is not None
    assert abs(onset - (at(0) + timedelta(seconds=200))) <= timedelta(seconds=15)


def test_a_change_just_before_the_alert_scores_above_one_of_an_hour_ago_and_one_of_yesterday_is_not_near() -> None:
    table = changes({"time": at(9), "service": "new"}, {"time": at(-45), "service": "old"}, {"time": at(-1440)})
    rows = assess(Tables(at(10), changes=table), EMPTY_GRAPH).evidence
    assert [row.component.name for row in rows] == ["new", "old"]
    assert rows[0].score > 2 * rows[1].score


def test_a_change_of_a_node_belongs_to_the_node() -> None:
    table = changes({"time": at(9), "service": "n1", "kind": "restart"}, {"time": at(8), "service": "a"})
    rows = assess(Tables(at(10), changes=table), ServiceGraph(("a",), hosts={"a": ("n1",)})).evidence
    assert [(row.component.kind, row.component.name) for row in rows] == [
        (ComponentKind.NODE, "n1"),
        (ComponentKind.SERVICE, "a"),
    ]


def test_a_series_about_the_machine_belongs_to_the_node_that_is_known() -> None:
    graph = ServiceGraph(("a",), pods={"a-1": "a"}, hosts={"a": ("n1",)})
    rows = [{"time": at(-40 + i), "value": 10.0 + i % 3, "metric": "node_load1"} for i in range(25)]
    late = [{"time": at(i), "value": 90.0, "metric": "node_load1"} for i in range(10)]
    compared = Compared(metrics(*late), metrics(*rows))
    (row,) = assess(Tables(at(10), metrics=compared), graph).evidence
    assert (row.component.kind, row.component.name) == (ComponentKind.NODE, "n1")


@pytest.mark.parametrize("seed", [3, 4])
def test_evidence_is_numbered_worst_first_and_the_same_every_time(seed: int, synthetic_case: CaseFactory) -> None:
    first, second = [_view(synthetic_case, seed) for _ in range(2)]
    assert first.evidence == second.evidence
    assert [row.id for row in first.evidence] == [f"e{n}" for n in range(len(first.evidence))]
    scores = [row.score for row in first.evidence]
    assert scores == sorted(scores, reverse=True)


def test_every_signal_of_a_whole_case_speaks(synthetic_case: CaseFactory) -> None:
    views = [_view(synthetic_case, seed, Fault.ERROR) for seed in range(6, 12)]
    view = next(v for v in views if {Signal.TRACES, Signal.LOGS} <= {row.signal for row in v.evidence})
    without = assess(replace(view.tables, logs=None), view.graph)
    assert Signal.LOGS not in {row.signal for row in without.evidence}
    assert Signal.TRACES in {row.signal for row in without.evidence}
