"""Pods beside their siblings: traces of a service `b` that runs in several pods, and series of them."""

import numpy as np
import pytest

from service.domain.component import ComponentKind
from service.domain.evidence import Evidence, EvidenceKind
from service.evidence import reading
from service.evidence.fluctuations import metric_evidence, peers_of, read_series
from service.evidence.instances import instance_evidence, new_pods, runs
from service.evidence.stretch import WHOLE
from service.evidence.tables import Compared, Tables
from tests.evidence.traces import EMPTY_GRAPH, Did, call, read, shown, traces
from tests.telemetry_rows import Row, at, metrics

ALERT_US = round(at(10).timestamp() * 1e6)
OLD = ("b-1", "b-2")


def _request(
    chance: np.random.Generator, pod: str, slower: float = 1.0, wait: float = 1.0, failed: bool = False
) -> Did:
    ms = 20 * slower * chance.lognormal(0, 0.1)
    answer = Did("b", "find", ms, kind="server", status="error" if failed else "unset", pod=pod)
    step = call("a", answer, wait * chance.lognormal(0, 0.1))
    return Did("a", "get", step.ms + 5, (step,), pod="a-1")


def _rows(
    pods: tuple[str, ...], before: tuple[str, ...] = OLD, load: float = 1.0, **of_last: float | bool
) -> list[Evidence]:
    """Rows of sixty requests that pods answer in turn; ``of_last`` says what is unusual about those of the last one,
    ``load`` by how much all take longer than before.
    """
    chance = np.random.default_rng(5)
    now: list[Did] = []
    for number in range(60):
        pod = pods[number % len(pods)]
        how = {"slower": load} | (of_last if pod == pods[-1] else {})
        now.append(_request(chance, pod, **how))  # type: ignore[arg-type]
    past = [_request(chance, before[number % len(before)]) for number in range(60)]
    return shown(instance_evidence(read(now, past)))


def test_a_slow_replica_stands_out_from_its_siblings() -> None:
    (row,) = _rows(("b-1", "b-2"), slower=10.0)
    assert (row.kind, row.component.kind, row.component.name) == (EvidenceKind.SELF_TIME, ComponentKind.POD, "b-2")
    assert row.now == pytest.approx(200_000, rel=0.2)
    assert row.before == pytest.approx(20_000, rel=0.2)


def test_a_replica_whose_callers_wait_stands_out() -> None:
    (row,) = _rows(("b-1", "b-2"), wait=200.0)
    assert (row.kind, row.component.name) == (EvidenceKind.GAP, "b-2")


def test_a_failing_replica_stands_out() -> None:
    (row,) = _rows(("b-1", "b-2"), failed=True)
    assert (row.kind, row.component.name) == (EvidenceKind.ERROR_SHARE, "b-2")
    assert row.now == 1


def test_a_pod_of_a_new_version_is_compared_with_the_past_of_the_old_ones() -> None:
    (row,) = _rows(("b-1", "b-2", "b-9"), slower=10.0)
    assert row.component.name == "b-9"
    assert row.before == pytest.approx(20_000, rel=0.2)


def test_of_two_bad_pods_of_a_new_version_neither_excuses_the_other() -> None:
    chance = np.random.default_rng(5)
    now = [_request(chance, f"b-{i % 4}", slower=10.0 if i % 4 > 1 else 1.0) for i in range(80)]
    before = [_request(chance, f"b-{i % 2}") for i in range(60)]
    rows = shown(instance_evidence(read(now, before)))
    assert sorted(row.component.name for row in rows) == ["b-2", "b-3"]


def test_what_all_pods_do_together_sets_none_of_them_apart() -> None:
    assert _rows(("b-1", "b-2"), load=10.0, slower=10.0) == []


def test_a_service_with_one_pod_has_no_siblings() -> None:
    assert _rows(("b-1",), before=("b-1",), slower=10.0) == []


def test_a_pod_that_runs_several_services_speaks_for_none_of_them() -> None:
    def rows(pod_of_caller: str) -> list[Evidence]:
        chance = np.random.default_rng(5)

        def request(number: int, slower: float) -> Did:
            one = _request(chance, f"host-{number % 2}", slower if number % 2 else 1.0)
            return Did(one.service, one.operation, one.ms, one.then, pod=pod_of_caller or f"host-{number % 2}")

        return shown(instance_evidence(read([request(i, 10) for i in range(60)], [request(i, 1) for i in range(60)])))

    assert rows("a-1") != []
    assert rows("") == []


def test_new_pods_are_those_without_a_past_beside_others_with_one() -> None:
    chance = np.random.default_rng(5)
    spans = read([_request(chance, pod) for pod in ("b-1", "b-9")], [_request(chance, pod) for pod in OLD])
    assert new_pods(runs(spans)) == {"b": {"b-9"}}


def test_where_all_pods_are_new_there_is_nothing_to_compare_them_with() -> None:
    chance = np.random.default_rng(5)
    spans = read([_request(chance, "b-9")], [_request(chance, pod) for pod in OLD])
    assert new_pods(runs(spans)) == {}


def _samples(pod: str, minutes: range, level: float) -> list[Row]:
    names = {"component": pod, "service": "b"}
    return [{"time": at(m), "value": level * (1 + 0.02 * (m % 3))} | names for m in minutes]


def _of_metrics(now: list[Row], before: list[Row]) -> list[Evidence]:
    return shown(metric_evidence(peers_of(read_series(Compared(metrics(*now), metrics(*before)), ALERT_US)), WHOLE))


def test_series_of_a_new_pod_are_compared_with_the_past_of_the_old_ones() -> None:
    before = [row for pod in OLD for row in _samples(pod, range(-40, -10), 10.0)]
    now = [row for pod in OLD for row in _samples(pod, range(11), 10.0)]
    (row,) = _of_metrics([*now, *_samples("b-9", range(5, 11), 90.0)], before)
    assert row.component.name == "b-9"
    assert row.before == pytest.approx(10, rel=0.1)
    assert _of_metrics([*now, *_samples("b-9", range(5, 11), 10.0)], before) == []


def test_what_old_pods_do_too_is_not_held_against_the_new_one() -> None:
    before = [row for pod in OLD for row in _samples(pod, range(-40, -10), 10.0)]
    now = [row for pod in OLD for row in _samples(pod, range(11), 90.0)]
    rows = _of_metrics([*now, *_samples("b-9", range(5, 11), 90.0)], before)
    assert sorted(row.component.name for row in rows) == ["b-1", "b-2"]


def test_a_starting_pod_that_works_hard_for_a_minute_is_no_worse_than_others() -> None:
    before = [row for pod in OLD for row in _samples(pod, range(-40, -10), 10.0)]
    now = [row for pod in OLD for row in _samples(pod, range(11), 10.0)]
    started = [*_samples("b-9", range(9, 10), 900.0), *_samples("b-9", range(10, 11), 10.0)]
    assert _of_metrics([*now, *started], before) == []


def _asking(pod: str, asks: bool) -> Did:
    step = (call("b", Did("c", "check", 4)),) if asks else ()
    return Did("b", "find", 20, step, pod=pod)


def _pods_of_rows(pods: tuple[str, ...], silent: str, kind: EvidenceKind) -> set[str]:
    """Pods that rows of that kind are about, of requests that all but one pod pass on to another service."""
    now = traces("now", [_asking(pod, pod != silent) for pod in pods * 20])
    before = traces("before", [_asking(pod, True) for pod in OLD * 30])
    tables = Tables(at(0), spans=Compared(now, before))
    rows = shown(reading.read(tables, EMPTY_GRAPH).compare(WHOLE))
    return {row.component.name for row in rows if row.kind is kind and row.component.kind is ComponentKind.POD}


def test_a_new_version_that_no_longer_does_what_the_old_one_does_beside_it_is_told_apart() -> None:
    assert _pods_of_rows((*OLD, "b-9"), "b-9", EvidenceKind.LOST_CALL) == {"b-9"}


def test_a_new_version_that_does_what_the_old_one_does_is_not() -> None:
    assert _pods_of_rows((*OLD, "b-9"), "", EvidenceKind.LOST_CALL) == set()


def test_where_no_pod_is_new_no_versions_are_compared() -> None:
    assert _pods_of_rows(OLD, "b-2", EvidenceKind.LOST_CALL) == set()
