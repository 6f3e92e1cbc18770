from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.component import ComponentKind
from service.domain.evidence import Evidence, EvidenceKind, Signal
from service.domain.fault import Fault
from service.domain.graph import ServiceGraph
from service.evidence.assess import assess
from service.evidence.tables import Compared, Tables
from service.view.view import View
from tests.conftest import CaseFactory
from tests.evidence.traces import EMPTY_GRAPH, Did, call, compared, traces
from tests.patience import open_patiently
from tests.telemetry_rows import Row, at, changes, metrics

BEGAN_S, ALERTED_S, END_S = 300, 360, 420
"""When it begins, when the alert fires and when the window ends, in seconds from noon, where it begins."""

SAMPLES = st.lists(st.floats(-1e12, 1e12), max_size=12)


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
def test_evidence_is_numbered_largest_effect_first_and_the_same_every_time(
    seed: int, synthetic_case: CaseFactory
) -> None:
    first, second = [_view(synthetic_case, seed) for _ in range(2)]
    assert first.evidence == second.evidence
    assert [row.id for row in first.evidence] == [f"e{n}" for n in range(len(first.evidence))]
    effects = [row.effect for row in first.evidence]
    assert effects == sorted(effects, reverse=True)
    assert min(row.score for row in first.evidence) >= 0


def test_every_signal_of_a_whole_case_speaks(synthetic_case: CaseFactory) -> None:
    views = [_view(synthetic_case, seed, Fault.ERROR) for seed in range(6, 12)]
    view = next(v for v in views if {Signal.TRACES, Signal.LOGS} <= {row.signal for row in v.evidence})
    without = assess(replace(view.tables, logs=None), view.graph)
    assert Signal.LOGS not in {row.signal for row in without.evidence}
    assert Signal.TRACES in {row.signal for row in without.evidence}


def test_calls_that_were_seen_since_the_onset_are_told() -> None:
    usual = [_waiting(1)] * BEGAN_S
    since = [Did("a", "get", 900, (call("a", Did("c", "find")),))] * (END_S - BEGAN_S)
    found = assess(Tables(at(ALERTED_S / 60), spans=compared(usual + since, usual)), EMPTY_GRAPH)
    assert ("a", "c") in found.calls
    assert found.calls <= {("a", "b"), ("a", "c")}


# -- Effects: how much more than usual something moved.


def _waiting(wait_ms: float) -> Did:
    step = call("a", Did("b", "find", 10), wait_ms)
    return Did("a", "get", step.ms + 5, (step,))


def _row(tables: Tables, kind: EvidenceKind, name: str, subject: str = "") -> Evidence:
    """The first row of this kind and component."""
    rows = assess(tables, EMPTY_GRAPH).evidence
    return next(r for r in rows if (r.kind, r.component.name) == (kind, name) and subject in r.subject)


def _effect_of_wait(wait_ms: float) -> float:
    """Of a wait of a millisecond that takes so long since the onset."""
    now = [_waiting(1)] * BEGAN_S + [_waiting(wait_ms)] * (END_S - BEGAN_S)
    tables = Tables(at(ALERTED_S / 60), spans=compared(now, [_waiting(1)] * BEGAN_S))
    return _row(tables, EvidenceKind.GAP, "a->b").effect


def test_a_wait_that_grew_300_fold_has_a_clearly_larger_effect_than_one_that_grew_60_fold() -> None:
    effects = [_effect_of_wait(wait_ms) for wait_ms in (4, 60, 300, 1500, 7500)]
    assert all(larger > 1.2 * smaller for smaller, larger in pairwise(effects))


def _assert_sound(evidence: tuple[Evidence, ...]) -> None:
    for row in evidence:
        assert np.isfinite([row.score, row.shift, row.error, row.surprise, row.effect]).all()
        assert 0 <= row.score <= 99
        assert row.error > 0
        assert row.usual > 0
        assert row.surprise >= 0
        assert row.effect >= 0


@given(st.lists(st.tuples(SAMPLES, SAMPLES), max_size=6))
def test_effects_and_surprises_are_never_negative_for_any_samples(
    series: list[tuple[list[float], list[float]]],
) -> None:
    before: list[Row] = []
    now: list[Row] = []
    for number, sides in enumerate(series):
        for minutes, rows, values in zip((-40, 0), (before, now), sides, strict=True):
            rows += [{"component": f"p{number}", "time": at(minutes + i), "value": v} for i, v in enumerate(values)]
    tables = Tables(at(6), metrics=Compared(metrics(*now), metrics(*before)))
    _assert_sound(assess(tables, EMPTY_GRAPH).evidence)


DURATIONS = st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 1e9), st.booleans()), max_size=30)


@given(DURATIONS, DURATIONS)
def test_effects_and_surprises_are_never_negative_for_any_requests(
    before: list[tuple[str, float, bool]], now: list[tuple[str, float, bool]]
) -> None:
    def requests(calls: list[tuple[str, float, bool]]) -> list[Did]:
        return [
            Did("a", name, ms, (call(name, Did("b", "find", ms / 2)),), status="error" if failed else "ok")
            for name, ms, failed in calls
        ]

    tables = Tables(at(0.4), spans=compared(requests(now), requests(before)))
    _assert_sound(assess(tables, EMPTY_GRAPH).evidence)


def test_a_little_cpu_where_there_was_none_is_no_effect_beside_seconds_of_latency() -> None:
    usual, slow = [Did("a", "get", 10)] * BEGAN_S, [Did("a", "get", 2000)] * (END_S - BEGAN_S)
    series = _series("a-1", "cpu_usage", (0.0, 0.0, 0.02), "cores")
    tables = Tables(at(ALERTED_S / 60), spans=compared(usual + slow, usual), metrics=_metrics(series))
    cpu, latency = (_row(tables, *of).effect for of in ((EvidenceKind.METRIC, "a-1"), (EvidenceKind.LATENCY, "a")))
    assert cpu < 0.15 * latency


# -- What the time just before the onset says of what is usual.


def _metrics(*series: tuple[list[Row], list[Row]]) -> Compared:
    return Compared(*(metrics(*(row for one in series for row in one[side])) for side in (0, 1)))


def _series(name: str, metric: str, levels: tuple[float, float, float], unit: str = "") -> tuple[list[Row], list[Row]]:
    """Samples now and before of a series with these levels in the baseline, before the onset and since."""
    usual, near, since = levels
    about = {"component": name, "metric": metric, "unit": unit}
    value = [(1 + (i % 3) / 100) * (since if 15 * i >= BEGAN_S else near) for i in range(END_S // 15)]
    now: list[Row] = [about | {"time": at(i / 4), "value": v} for i, v in enumerate(value)]
    before: list[Row] = [about | {"time": at(i - 40), "value": (1 + (i % 3) / 100) * usual} for i in range(30)]
    return now, before


def _two_slow(first_since_s: int, second_since_s: int, begin_s: int = 0) -> Tables:
    """Requests of a, and of b, each slow since a moment of the window, which begins later if so asked."""
    seconds = range(begin_s, END_S)
    first = [Did("a", "get", 500 if s >= first_since_s else 10) for s in seconds]
    second = [Did("b", "list", 200 if s >= second_since_s else 5) for s in seconds]
    now = [Did(f.service, f.operation, f.ms + g.ms, (g,)) for f, g in zip(first, second, strict=True)]
    usual = [Did("a", "get", 15, (Did("b", "list", 5),))] * BEGAN_S
    return Tables(at((ALERTED_S - begin_s) / 60), spans=compared(now, usual))


def test_what_was_as_slow_before_the_onset_has_a_fifth_of_the_effect_at_most() -> None:
    new, old = (_row(_two_slow(BEGAN_S, since), EvidenceKind.SELF_TIME, "b") for since in (BEGAN_S, 0))
    assert old.shift == pytest.approx(new.shift)
    assert 0 < old.effect <= 0.2 * new.effect


def test_a_series_that_stood_as_high_before_the_onset_has_a_fifth_of_the_effect_at_most() -> None:
    slow = _two_slow(BEGAN_S, BEGAN_S)

    def effect(near: float) -> float:
        tables = replace(slow, metrics=_metrics(_series("a-1", "cpu_usage", (10, near, 40))))
        return _row(tables, EvidenceKind.METRIC, "a-1").effect

    assert 0 < effect(40) <= 0.22 * effect(10)
    assert effect(10) > 2


def test_a_missing_time_before_the_onset_vetoes_nothing() -> None:
    with_it, without = (_two_slow(BEGAN_S, BEGAN_S, begin_s) for begin_s in (0, BEGAN_S))
    for name in ("a", "b"):
        usual, only = (_row(tables, EvidenceKind.LATENCY, name).effect for tables in (with_it, without))
        assert 0.9 * usual < only <= usual


def _component(name: str, factor: float) -> list[tuple[list[Row], list[Row]]]:
    """A series that rises with the onset to the fourfold, and four others that differ by a factor from the baseline
    before the onset and since.
    """
    others = [_series(name, f"cpu_{number}", (10, 10 * factor, 10 * factor)) for number in range(4)]
    return [_series(name, "cpu_usage", (10, 10, 40)), *others]


@pytest.mark.parametrize("factor", [0.4, 3])
def test_a_step_of_what_fluctuates_before_the_onset_has_a_smaller_effect_than_the_same_of_what_is_steady(
    factor: float,
) -> None:
    series = _metrics(*_component("wild", factor), *_component("steady", 1))
    tables = replace(_two_slow(BEGAN_S, BEGAN_S), metrics=series)
    wild, steady = (_row(tables, EvidenceKind.METRIC, name, "cpu_usage") for name in ("wild", "steady"))
    assert wild.shift == pytest.approx(steady.shift)
    assert wild.effect < 0.8 * steady.effect
    assert wild.surprise < steady.surprise


@given(st.floats(0.01, 100))
def test_what_one_component_fluctuates_by_changes_the_effects_of_no_other(factor: float) -> None:
    def of_others(wild: float) -> list[Evidence]:
        series = _metrics(*_component("wild", wild), *_component("steady", 1))
        found = assess(Tables(at(ALERTED_S / 60), metrics=series), EMPTY_GRAPH)
        return [replace(row, id="") for row in found.evidence if row.component.name != "wild"]

    assert of_others(factor) == of_others(1)
    assert of_others(1)
