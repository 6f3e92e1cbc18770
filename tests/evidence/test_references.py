"""What is compared with what: rows of the baseline and of the time before the onset that speak of the same."""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pytest

from service.domain.evidence import Evidence, EvidenceKind, Signal
from service.evidence.assess import assess
from service.evidence.fluctuations import metric_evidence, peers_of, read_series
from service.evidence.reading import read
from service.evidence.stretch import WHOLE
from service.evidence.tables import Compared, Tables
from tests.evidence.traces import EMPTY_GRAPH, Did, call, compared
from tests.telemetry_rows import Row, at, logs, metrics


def largest_effect_of_containers(number: int, grown: int) -> float:
    """Of so many containers of one service, that one grew tenfold."""
    before: list[Row] = []
    now: list[Row] = []
    for i in range(number):
        about: Row = {"component": f"a-{i}/app", "kind": "container", "metric": "memory_usage", "unit": "MiB"}
        before += [about | {"time": at(-40 + t), "value": 100 + t % 3} for t in range(30)]
        levels = [1000 if i == grown and t >= 20 else 100 for t in range(28)]
        now += [about | {"time": at(t / 4), "value": level + t % 3} for t, level in enumerate(levels)]
    found = assess(Tables(at(6), metrics=Compared(metrics(*now), metrics(*before))), EMPTY_GRAPH).evidence
    return max(row.effect for row in found)


def test_which_of_three_containers_of_one_service_grew_does_not_matter() -> None:
    last = largest_effect_of_containers(3, 2)
    assert largest_effect_of_containers(3, 0) == pytest.approx(last, rel=0.2)  # pyright: ignore[reportUnknownMemberType]


def effect_of_unanswered(operations: Sequence[str]) -> float:
    """Of calls that one of these operations, get, makes in vain since the onset."""

    def request(operation: str, lost: bool, slow: bool = False) -> Did:
        inner = Did("a", "call find", 5000, (), "client", "error") if lost else call("a", Did("b", "find", 5))
        return Did("a", operation, 6000 if slow else 50, (inner,))

    turns = [operations[i % len(operations)] for i in range(300)]
    usual = [request(operation, lost=False) for operation in turns]
    since = [request(one, one == "get" and i % 8 < 4, slow=True) for i, one in enumerate(turns[:120])]
    rows = assess(Tables(at(6), spans=compared(usual + since, usual)), EMPTY_GRAPH).evidence
    return next(row.effect for row in rows if row.subject.startswith("unanswered"))


def test_calls_of_two_operations_by_one_name_have_each_their_own_time_before() -> None:
    assert effect_of_unanswered(["get", "put"]) > 0.5 * effect_of_unanswered(["get"])


def effect_of_old_wait(names: str) -> float:
    """Of a wait that is longer than in the baseline, and was so before the onset; calls of these names in turn."""

    def request(number: int, wait: int, slow: bool = False) -> Did:
        called = call("a", Did("b", names[number % len(names)], 5), wait)
        return Did("a", "get", 3040 if slow else 40, (called,))

    usual = [request(i, 1) for i in range(300)]
    near = [request(i, 200) for i in range(300)]
    since = [request(i, 200, slow=True) for i in range(300, 420)]
    rows = assess(Tables(at(6), spans=compared(near + since, usual)), EMPTY_GRAPH).evidence
    return next(row.effect for row in rows if row.kind is EvidenceKind.GAP)


def test_a_wait_that_was_there_before_the_onset_is_known_again_whatever_call_came_first() -> None:
    assert effect_of_old_wait("xy") == pytest.approx(effect_of_old_wait("x"), rel=0.2)  # pyright: ignore[reportUnknownMemberType]


def test_when_nothing_is_logged_any_more_what_was_is_gone() -> None:
    spans = compared([Did("a", "get")] * 60, [Did("a", "get")] * 60)
    before: list[Row] = [{"trace_id": f"before{i}", "span_id": f"before{i}-0", "body": "served"} for i in range(60)]
    rows = read(Tables(at(10), spans, Compared(logs(), logs(*before))), EMPTY_GRAPH).compare(WHOLE)
    assert [row.kind for row in rows if row.signal is Signal.LOGS] == [EvidenceKind.LOG_GONE]


def rows_of_peers(before: Sequence[float], now: Sequence[float]) -> list[Evidence]:
    """Six components whose series of one metric does the same."""
    earlier: list[Row] = []
    later: list[Row] = []
    for i in range(6):
        about: Row = {"component": f"p{i}", "unit": "x"}
        earlier += [about | {"time": at(0) - timedelta(minutes=40 - t), "value": v} for t, v in enumerate(before)]
        later += [about | {"time": at(t), "value": v} for t, v in enumerate(now)]
    series = read_series(Compared(metrics(*later), metrics(*earlier)), round(at(10).timestamp() * 1e6))
    return metric_evidence(peers_of(series), WHOLE)


@pytest.mark.parametrize("next_to_nothing", [5e-324, 1e-300])
@pytest.mark.parametrize("now", [1e20, -1e20])
def test_peers_with_next_to_nothing_give_finite_rows(next_to_nothing: float, now: float) -> None:
    rows = rows_of_peers([next_to_nothing] * 10, [now] * 5)
    assert len(rows) == 6
    for row in rows:
        assert np.isfinite([row.score, row.shift, row.error, row.impact or 0.0]).all()


def test_what_all_do_together_has_rows_whichever_way_they_go() -> None:
    assert len(rows_of_peers([10.0] * 10, [20.0] * 5)) == len(rows_of_peers([10.0] * 10, [5.0] * 5)) == 6


@pytest.mark.parametrize(
    ("unit", "size"), [("B/s", 1.0), ("By/s", 1.0), ("bytes/s", 1.0), ("kB/s", 1e3), ("MiB/s", 2.0**20)]
)
def test_a_page_written_now_and_then_is_no_load_whatever_the_unit(unit: str, size: float) -> None:
    def shift(bytes_per_second: float) -> float:
        before: list[Row] = [{"unit": unit, "time": at(-40 + t), "value": 0.0} for t in range(20)]
        now: list[Row] = [{"unit": unit, "time": at(t), "value": bytes_per_second / size} for t in range(5)]
        series = read_series(Compared(metrics(*now), metrics(*before)), round(at(10).timestamp() * 1e6))
        (row,) = metric_evidence(peers_of(series), WHOLE)
        return row.shift

    assert shift(4_100.0) < 0.01
    assert shift(41e6) > 3
