from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, cast

import pytest

from service.domain.component import Component, ComponentKind, edge, service
from service.domain.evidence import Evidence, EvidenceKind, Signal
from service.domain.fault import Fault
from service.domain.graph import ServiceGraph
from service.domain.localization import Suspect
from service.evidence.tables import Compared, Tables
from service.ports import SPANS
from service.rank.channels import CHANNELS, Channel
from service.rank.features import Feature, feature_of
from service.rank.fusion import Fusion, confidences, fuse, unresolved
from service.rank.statistical import rank
from service.rank.symptoms import Symptoms, of_channels
from service.view.view import View
from tests.conftest import CaseFactory
from tests.patience import open_patiently
from tests.telemetry_rows import at, incident

CALLS = frozenset({("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("a", "d")})
GRAPH = ServiceGraph(("a", "b", "c", "d"), CALLS, pods={"d-1": "d"})
CHAIN = ServiceGraph(("a", "b", "d"), frozenset({("a", "b"), ("b", "d")}))
FAULTS = [fault for fault in Fault if fault is not Fault.UNKNOWN]


def row(kind: EvidenceKind, component: Component, effect: float = 5.0, **parts: Any) -> Evidence:
    usual = Evidence("", Signal.TRACES, kind, component, "get", 3 * effect, 2.0, 1.0, effect=effect)
    return replace(usual, **parts)


def series(name: str, component: Component, **parts: Any) -> Evidence:
    usual: dict[str, Any] = {"signal": Signal.METRICS, "subject": name, "unit": ""}
    return row(EvidenceKind.METRIC, component, **usual | parts)


def ranked(
    *rows: Evidence,
    graph: ServiceGraph = GRAPH,
    traced: bool = False,
    calls: frozenset[tuple[str, str]] = frozenset(),
    new_pods: Mapping[str, frozenset[str]] = MappingProxyType({}),
) -> tuple[Suspect, ...]:
    spans = Compared(SPANS.empty_table(), None) if traced else None
    numbered = tuple(replace(r, id=f"e{i}") for i, r in enumerate(rows))
    return rank(View(incident(), Tables(at(10), spans), graph, numbered, None, calls=calls, new_pods=new_pods))


def names(*rows: Evidence) -> list[str]:
    return [suspect.component.name for suspect in ranked(*rows)]


def test_nothing_speaks_against_anybody() -> None:
    assert ranked() == ()


def test_what_got_better_speaks_against_nobody() -> None:
    assert ranked(row(EvidenceKind.SELF_TIME, service("b"), now=1.0, before=9.0)) == ()


def test_overwhelming_evidence_overwhelms() -> None:
    beside = [row(kind, service("b"), 3) for kind in (EvidenceKind.SELF_TIME, EvidenceKind.ERROR_SHARE)]
    beside += [
        series(name, service("b"), effect=3.0, now=9.0) for name in ("cpu_usage", "memory_usage", "pool_waiting")
    ]
    assert names(*beside, row(EvidenceKind.SELF_TIME, service("c"), 9))[0] == "c"
    assert (
        names(row(EvidenceKind.SELF_TIME, service("b"), 60), row(EvidenceKind.SELF_TIME, service("c"), 300))[0] == "c"
    )


def test_a_callee_with_nearly_as_much_against_it_comes_before_its_caller() -> None:
    assert names(row(EvidenceKind.SELF_TIME, service("b"), 6), row(EvidenceKind.SELF_TIME, service("d"), 5))[0] == "d"


def test_a_callee_with_little_against_it_does_not() -> None:
    assert names(row(EvidenceKind.SELF_TIME, service("b"), 6), row(EvidenceKind.SELF_TIME, service("d"), 1))[0] == "b"


def test_a_caller_that_was_changed_just_before_explains_its_trouble_itself() -> None:
    trouble = [row(EvidenceKind.ERROR_SHARE, service(s), e, now=0.5, before=0.0) for s, e in (("b", 6), ("d", 5))]
    change = row(EvidenceKind.CHANGE, service("b"), 0.0, score=9.9, before=None)
    assert names(*trouble)[0] == "d"
    assert names(*trouble, change)[0] == "b"
    everywhere = [replace(change, component=service(s)) for s in "abcd"]
    assert names(*trouble, *everywhere)[0] == "d"


@pytest.mark.parametrize(("worse_by", "first"), [(0.0, "d"), (5.0, "b")])
def test_a_change_is_suspect_in_the_measure_in_which_its_new_pods_are_worse(worse_by: float, first: str) -> None:
    trouble = [row(EvidenceKind.ERROR_SHARE, service(s), e, now=0.5, before=0.0) for s, e in (("b", 6), ("d", 5))]
    change = row(EvidenceKind.CHANGE, service("b"), 0.0, score=9.9, before=None)
    of_new = row(EvidenceKind.SELF_TIME, Component(ComponentKind.POD, "b-9"), worse_by)
    graph = replace(GRAPH, pods={"b-1": "b", "b-9": "b"})
    new_pods = {"b": frozenset({"b-9"})}
    assert ranked(*trouble, change, of_new, graph=graph, new_pods=new_pods)[0].component.name == first


def test_gaps_on_all_edges_of_one_service_are_its_own() -> None:
    into_d = [row(EvidenceKind.GAP, edge(caller, "d")) for caller in "abc"]
    assert names(*into_d)[0] == "d"
    out_of_a = [row(EvidenceKind.GAP, edge("a", callee)) for callee in "bcd"]
    assert names(*out_of_a) == ["a"]


def test_a_lone_gap_is_blamed_on_the_callee() -> None:
    alone = ServiceGraph(("a", "b"), frozenset({("a", "b")}))
    assert [s.component.name for s in ranked(row(EvidenceKind.GAP, edge("a", "b")), graph=alone)] == ["b"]


def test_of_calls_that_are_not_seen_it_is_not_known_whether_they_are_well() -> None:
    one_of_three = row(EvidenceKind.GAP, edge("b", "d"))
    other_of_b = row(EvidenceKind.GAP, edge("a", "b"))
    assert ranked(one_of_three, other_of_b)[0].component.name == "b"
    seen = frozenset({("a", "b"), ("b", "d")})
    assert ranked(one_of_three, other_of_b, calls=seen)[0].component.name == "b"
    assert ranked(one_of_three, calls=seen)[0].component.name == "d"


def test_a_call_that_fails_for_one_caller_of_many_is_that_callers() -> None:
    fails = row(EvidenceKind.ERROR_SHARE, edge("b", "d"), now=0.6, before=0.0, unit="share")
    assert names(fails) == ["b"]
    every = [replace(fails, component=edge(caller, "d")) for caller in "abc"]
    assert names(*every) == ["d"]


def test_what_is_down_comes_before_all_that_fails_for_want_of_it() -> None:
    down = series("store_up", service("d"), now=0.0, before=1.0)
    loud = [row(EvidenceKind.ERROR_SHARE, service(s), 12, now=0.9, before=0.0, unit="share") for s in "abc"]
    assert names(down, *loud)[0] == "d"
    degraded = series("store_up", service("d"), now=0.9, before=1.0)
    assert names(degraded, *loud)[0] != "d"
    pod_gone = series("pod_ready", Component(ComponentKind.POD, "d-1"), now=0.0, before=1.0)
    assert names(pod_gone, *loud)[0] == "d"
    one_of_two = replace(GRAPH, pods={"d-1": "d", "d-2": "d"})
    assert next(s.component.name for s in ranked(pod_gone, *loud, graph=one_of_two)) != "d"


def test_a_host_on_which_all_are_slow_while_others_are_not_comes_before_them() -> None:
    services = tuple("abcdefg")
    hosts = {s: ("n",) if s in "bcd" else ("m",) for s in services}
    apart = ServiceGraph(services, frozenset(("a", s) for s in services[1:]), hosts=hosts)
    on_n = [row(EvidenceKind.SELF_TIME, service(s), 4) for s in "bcd"]
    suspects = ranked(*on_n, graph=apart)
    assert suspects[0].component == Component(ComponentKind.NODE, "n")
    assert suspects[0].evidence
    everywhere = [row(EvidenceKind.SELF_TIME, service(s), 4) for s in services]
    assert all(s.component.kind is ComponentKind.SERVICE for s in ranked(*everywhere, graph=apart))


def test_what_callees_got_slower_by_is_taken_off_in_milliseconds() -> None:
    def latency(component: str, before_ms: float, now_ms: float, effect: float) -> Evidence:
        name = service(component)
        return replace(series("latency_mean", name, effect=effect, before=before_ms, now=now_ms), unit="ms")

    caller, callee = latency("b", 2.0, 502.0, 8.0), latency("d", 100.0, 590.0, 2.5)
    assert names(caller, callee) == ["d", "b"]
    assert names(caller, replace(callee, now=110.0)) == ["b", "d"]


def test_series_about_latency_and_errors_say_less_where_traces_tell_in_whose_time_it_was() -> None:
    inclusive = [series(f"http_{word}", service("b"), now=9.0) for word in ("latency", "errors")]
    assert ranked(*inclusive, traced=True)[0].score < 0.5 * ranked(*inclusive)[0].score
    own = series("cpu_usage", service("b"), now=9.0)
    assert ranked(own, traced=True) == ranked(own)


def test_a_pod_counts_for_its_service() -> None:
    assert names(series("cpu_usage", Component(ComponentKind.POD, "d-1"), now=9.0)) == ["d"]


def test_a_change_alone_says_nothing_and_beside_a_symptom_a_lot() -> None:
    change = row(EvidenceKind.CHANGE, service("b"), 0.0, score=9.0, now=1.0, before=None)
    error = row(EvidenceKind.ERROR_SHARE, service("b"), 3, now=0.2, before=0.1)
    assert ranked(change) == ()
    symptom, both = (ranked(*rows)[0] for rows in ((error,), (change, error)))
    assert both.score > 1.2 * symptom.score
    assert change in [replace(e, id="") for e in both.evidence]


def test_success_that_fell_is_bad_and_success_that_rose_is_not() -> None:
    assert names(series("success_rate", service("b"), now=0.5, before=1.0)) == ["b"]
    assert names(series("success_rate", service("b"), now=1.0, before=0.5)) == []


def test_out_of_reach_of_the_alert_counts_less() -> None:
    apart = ServiceGraph(("a", "b", "x"), frozenset({("a", "b")}))
    near, far = row(EvidenceKind.SELF_TIME, service("b"), 4), row(EvidenceKind.SELF_TIME, service("x"), 5)
    assert [s.component.name for s in ranked(near, far, graph=apart)] == ["b", "x"]


@pytest.mark.parametrize("feature", list(CHANNELS))
def test_suspicion_grows_with_the_effect_without_end(feature: Feature) -> None:
    symptoms = [Symptoms() for _ in range(3)]
    for one, effect in zip(symptoms, (1.0, 10.0, 100.0), strict=True):
        one.add(feature, effect, row(EvidenceKind.SELF_TIME, service("b")))
    totals = [of_channels(one, list(Channel), 4.0) for one in symptoms]
    assert totals == pytest.approx([1.0, 10.0, 100.0])  # pyright: ignore[reportUnknownMemberType]


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


def _call_series(caller: str, callee: str, ms: float, effect: float) -> Evidence:
    name = "http_client_request_duration_mean"
    return series(name, edge(caller, callee), unit="ms", before=10.0, now=10.0 + ms, effect=effect)


def _own_series(name: str, ms: float, effect: float) -> Evidence:
    return series("http_server_duration_mean", service(name), unit="ms", before=10.0, now=10.0 + ms, effect=effect)


def test_calls_that_series_call_slower_are_explained_by_a_callee_that_is_as_much_slower_itself() -> None:
    (suspect,) = ranked(_call_series("a", "b", 200, 6), _own_series("b", 200, 3))
    assert (suspect.component.name, suspect.score, suspect.fault) == ("b", 3.0, Fault.SLOW)


def test_calls_that_wait_though_their_callee_is_not_slower_tell_of_the_way_there() -> None:
    (suspect,) = ranked(_call_series("a", "b", 200, 6))
    assert (suspect.component.name, suspect.score, suspect.fault) == ("b", 6.0, Fault.NETWORK_DELAY)


def test_a_service_is_no_slower_itself_than_what_its_calls_leave_over() -> None:
    first, *_ = ranked(_own_series("b", 200, 6), _call_series("b", "d", 200, 5), graph=CHAIN)
    assert first.component.name == "d"


def test_calls_whose_callee_has_no_series_are_explained_by_those_that_it_makes() -> None:
    first, *_ = ranked(_call_series("a", "b", 200, 6), _call_series("b", "d", 200, 5), graph=CHAIN)
    assert first.component.name == "d"


def test_failures_that_series_of_calls_count_are_blamed_on_one_end() -> None:
    failing = [series("http_client_failures", edge("a", s), unit="1/s", before=0.0, now=2.0) for s in "bcd"]
    assert [s.component.name for s in ranked(*failing)] == ["a"]
    assert ranked(failing[0])[0].component.name == "b"
