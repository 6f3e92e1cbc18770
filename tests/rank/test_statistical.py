from dataclasses import replace
from typing import Any, cast

import pytest

from service.domain.component import Component, ComponentKind, edge, service
from service.domain.evidence import Evidence, EvidenceKind, Signal
from service.domain.fault import Fault
from service.domain.graph import ServiceGraph
from service.domain.localization import Suspect
from service.evidence.tables import Compared, Tables
from service.ports import SPANS
from service.rank.constants import RankConstants
from service.rank.features import feature_of
from service.rank.fusion import Fusion, confidences, fuse, unresolved
from service.rank.statistical import rank, strength
from service.view.view import View
from tests.conftest import CaseFactory
from tests.patience import open_patiently
from tests.telemetry_rows import at, incident

CALLS = frozenset({("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("a", "d")})
GRAPH = ServiceGraph(("a", "b", "c", "d"), CALLS, pods={"d-1": "d"})
FAULTS = [fault for fault in Fault if fault is not Fault.UNKNOWN]


def row(kind: EvidenceKind, component: Component, score: float = 10.0, **parts: Any) -> Evidence:
    usual = Evidence("", Signal.TRACES, kind, component, "get", score, 2.0, 1.0, impact=0.5)
    return replace(usual, **parts)


def series(name: str, component: Component, **parts: Any) -> Evidence:
    return row(EvidenceKind.METRIC, component, signal=Signal.METRICS, subject=name, unit="", **parts)


def ranked(*rows: Evidence, graph: ServiceGraph = GRAPH, traced: bool = False) -> tuple[Suspect, ...]:
    spans = Compared(SPANS.empty_table(), None) if traced else None
    numbered = tuple(replace(r, id=f"e{i}") for i, r in enumerate(rows))
    view = View(incident(), Tables(at(10), spans), graph, numbered, None)
    return rank(view)


def names(*rows: Evidence) -> list[str]:
    return [suspect.component.name for suspect in ranked(*rows)]


def test_nothing_speaks_against_anybody() -> None:
    assert ranked() == ()


def test_what_got_better_speaks_against_nobody() -> None:
    assert ranked(row(EvidenceKind.SELF_TIME, service("b"), now=1.0, before=9.0)) == ()


def test_a_callee_with_nearly_as_much_against_it_comes_before_its_caller() -> None:
    assert names(row(EvidenceKind.SELF_TIME, service("b"), 12), row(EvidenceKind.SELF_TIME, service("d"), 9))[0] == "d"


def test_a_callee_with_little_against_it_does_not() -> None:
    assert names(row(EvidenceKind.SELF_TIME, service("b"), 12), row(EvidenceKind.SELF_TIME, service("d"), 2))[0] == "b"


def test_gaps_on_all_edges_of_one_service_are_its_own() -> None:
    into_d = [row(EvidenceKind.GAP, edge(caller, "d"), 12) for caller in "abc"]
    assert names(*into_d)[0] == "d"
    out_of_a = [row(EvidenceKind.GAP, edge("a", callee), 12) for callee in "bcd"]
    assert names(*out_of_a) == ["a"]


def test_a_lone_gap_is_blamed_on_the_callee() -> None:
    alone = ServiceGraph(("a", "b"), frozenset({("a", "b")}))
    assert [s.component.name for s in ranked(row(EvidenceKind.GAP, edge("a", "b")), graph=alone)] == ["b"]


def test_who_is_no_longer_asked_explains_nothing() -> None:
    lost = row(EvidenceKind.LOST_CALL, service("a"), 9, now=0.2, before=0.8, unit="share")
    silent = row(EvidenceKind.SILENCE, service("b"), 9, now=0.2, before=0.8, unit="share")
    own = row(EvidenceKind.LOST_CALL, service("b"), 9, now=0.2, before=0.4, unit="share", subject="inner")
    assert names(lost, silent, own)[0] == "a"


def test_what_is_down_comes_before_all_that_fails_for_want_of_it() -> None:
    down = series("store_up", service("d"), now=0.0, before=1.0)
    loud = [row(EvidenceKind.ERROR_SHARE, service(s), 40, now=0.9, before=0.0, unit="share") for s in "abc"]
    assert names(down, *loud)[0] == "d"
    degraded = series("store_up", service("d"), now=0.9, before=1.0)
    assert names(degraded, *loud)[0] != "d"
    pod_gone = series("pod_ready", Component(ComponentKind.POD, "d-1"), now=0.0, before=1.0)
    assert names(pod_gone, *loud)[0] == "d"
    one_of_two = replace(GRAPH, pods={"d-1": "d", "d-2": "d"})
    assert next(s.component.name for s in ranked(pod_gone, *loud, graph=one_of_two)) != "d"


def test_a_host_that_none_of_its_services_has_worn_out_explains_why_they_are_slow() -> None:
    graph = replace(GRAPH, hosts={"b": ("n",), "c": ("n",)})
    slow = [row(EvidenceKind.SELF_TIME, service(s), 8) for s in "bc"]
    worn = series("cpu_usage", Component(ComponentKind.NODE, "n"), now=9.0)
    by_c = series("cpu_usage", service("c"), now=9.0)

    def scores(*rows: Evidence) -> dict[str, float]:
        return {s.component.name: s.score for s in ranked(*slow, *rows, graph=graph)}

    assert all(scores(worn)[s] < scores()[s] for s in "bc")
    assert scores(worn, by_c)["b"] == scores()["b"]


def test_series_about_latency_and_errors_say_less_where_traces_tell_in_whose_time_it_was() -> None:
    inclusive = [series(f"http_{word}", service("b"), now=9.0) for word in ("latency", "errors")]
    assert ranked(*inclusive, traced=True)[0].score < 0.5 * ranked(*inclusive)[0].score
    own = series("cpu_usage", service("b"), now=9.0)
    assert ranked(own, traced=True) == ranked(own)


def test_a_pod_counts_for_its_service() -> None:
    assert names(series("cpu_usage", Component(ComponentKind.POD, "d-1"), now=9.0)) == ["d"]


@pytest.mark.parametrize("unit", ["B/s", "By/s", "bytes/s"])
def test_a_page_now_and_then_is_no_load_on_a_disk_that_was_idle(unit: str) -> None:
    page, load = (replace(series("disk_writes", service(s), before=0.0), unit=unit) for s in "bc")
    assert names(replace(page, now=410.0), replace(load, now=4.1e6)) == ["c", "b"]
    kilobytes = replace(load, now=4.1e3, unit="kB/s")
    assert strength(kilobytes, RankConstants()) == pytest.approx(strength(replace(load, now=4.1e6), RankConstants()))


def test_a_change_alone_says_little_and_beside_a_symptom_a_lot() -> None:
    change = row(EvidenceKind.CHANGE, service("b"), 9, now=1.0, before=None, impact=None)
    error = row(EvidenceKind.ERROR_SHARE, service("b"), 3, now=0.2, before=0.1)
    alone, symptom, both = (ranked(*rows)[0].score for rows in ((change,), (error,), (change, error)))
    assert alone < 0.1
    assert both > symptom + 3 * alone
    busy = series("cpu_usage", service("b"), now=9.0)
    assert ranked(change, busy)[0].score < ranked(busy)[0].score + 0.1


def test_a_resource_that_slows_nobody_counts_half() -> None:
    cpu = series("cpu_usage", service("b"), now=9.0)
    slow = row(EvidenceKind.SELF_TIME, service("b"))
    idle, slow_too, only_slow = ranked(cpu)[0].score, ranked(cpu, slow)[0].score, ranked(slow)[0].score
    assert slow_too - only_slow == pytest.approx(2 * idle)  # pyright: ignore[reportUnknownMemberType]


def test_success_that_fell_is_bad_and_success_that_rose_is_not() -> None:
    assert names(series("success_rate", service("b"), now=0.5, before=1.0)) == ["b"]
    assert names(series("success_rate", service("b"), now=1.0, before=0.5)) == []


def test_out_of_reach_of_the_alert_counts_less() -> None:
    apart = ServiceGraph(("a", "b", "x"), frozenset({("a", "b")}))
    near, far = row(EvidenceKind.SELF_TIME, service("b"), 8), row(EvidenceKind.SELF_TIME, service("x"), 10)
    assert [s.component.name for s in ranked(near, far, graph=apart)] == ["b", "x"]


@pytest.mark.parametrize("kind", list(EvidenceKind))
def test_strength_is_between_nothing_and_all_and_grows_with_the_score(kind: EvidenceKind) -> None:
    strengths = [strength(row(kind, service("b"), score), RankConstants()) for score in (0.0, 2.0, 10.0, 99.0)]
    assert strengths == sorted(strengths)
    assert strengths[0] >= 0.0
    assert strengths[-1] <= 1.0


@pytest.mark.parametrize("kind", list(EvidenceKind))
def test_every_kind_of_evidence_has_a_feature_one_way_or_the_other(kind: EvidenceKind) -> None:
    rising, falling = row(kind, service("b")), row(kind, service("b"), now=0.5)
    assert feature_of(rising, GRAPH) or feature_of(falling, GRAPH)


def _of(case: CaseFactory, seed: int, fault: Fault | None = None, healthy: bool = False) -> tuple[View, set[str]]:
    made = case(seed, services=10, traces=150, fault=fault, healthy=healthy)
    truth = {cause["name"] for cause in cast(list[dict[str, str]], made.truth["causes"])}
    return open_patiently(made.incident, made.telemetry), truth


def test_most_synthetic_faults_of_every_kind_are_found(synthetic_case: CaseFactory) -> None:
    found: dict[Fault, int] = {}
    for number, fault in enumerate(FAULTS):
        for seed in (100 + number, 200 + number):
            view, truth = _of(synthetic_case, seed, fault)
            first = [suspect.component.name for suspect in rank(view)][:3]
            found[fault] = found.get(fault, 0) + bool(truth & set(first))
    assert sum(found.values()) >= 0.7 * 2 * len(FAULTS), found


def test_where_nothing_is_wrong_nothing_stands_out(synthetic_case: CaseFactory) -> None:
    views = [_of(synthetic_case, seed, healthy=True)[0] for seed in range(300, 306)]
    weights = Fusion().statistical
    rankings = [fuse(rank(view), (), view, weights) for view in views]
    assert sum(unresolved(confidences(ranking, weights), weights) for ranking in rankings) >= 5
