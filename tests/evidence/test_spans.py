from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from service.domain.graph import ServiceGraph
from service.evidence.spans import most_frequent, read_spans
from service.evidence.tables import Compared
from tests.evidence.traces import EMPTY_GRAPH, Did, call, compared, read
from tests.telemetry_rows import at, spans

INTERVALS = st.lists(st.tuples(st.integers(-50, 150), st.integers(0, 120)), min_size=1, max_size=8)


def _covered(parent: int, intervals: list[tuple[int, int]]) -> int:
    """The plain definition: every microsecond of the parent that any child covers."""
    return len({t for start, length in intervals for t in range(start, start + length) if 0 <= t < parent})


@given(INTERVALS, st.integers(0, 120))
def test_exclusive_time_is_what_no_child_covers_however_they_overlap(
    intervals: list[tuple[int, int]], parent_us: int
) -> None:
    children = [(max(start, 0), length) for start, length in intervals]
    rows = [{"span_id": "p", "duration_us": parent_us}]
    for number, (start, length) in enumerate(children):
        begin = at(0).replace(microsecond=start)
        rows.append({"span_id": f"c{number}", "parent_span_id": "p", "start": begin, "duration_us": length})  # type: ignore[dict-item]
    read_back = read_spans(Compared(spans(*rows)), EMPTY_GRAPH)
    assert read_back.self_us[0] == parent_us - _covered(parent_us, children)


def test_span_ids_that_two_traces_share_find_their_parents_in_their_own_trace() -> None:
    rows = [
        {"trace_id": trace, "span_id": span, "parent_span_id": parent, "operation": f"{trace}{span}"}
        for trace in ("x", "y")
        for span, parent in (("1", ""), ("2", "1"))
    ]
    found = read_spans(Compared(spans(*rows)), EMPTY_GRAPH)
    assert found.parent.tolist() == [-1, 0, -1, 2]


def test_a_circle_of_parents_ends() -> None:
    rows = [{"span_id": "1", "parent_span_id": "2"}, {"span_id": "2", "parent_span_id": "1"}]
    assert len(read_spans(Compared(spans(*rows)), EMPTY_GRAPH).entry) == 2


def test_a_span_that_is_its_own_parent_is_a_root() -> None:
    assert read_spans(Compared(spans({"span_id": "1", "parent_span_id": "1"})), EMPTY_GRAPH).parent.tolist() == [-1]


def test_a_call_without_an_answer_goes_where_calls_of_its_kind_mostly_go() -> None:
    answered = Did("a", "get", then=(call("a", Did("b", "find")),))
    unanswered = Did("a", "get", then=(Did("a", "call find", kind="client"),))
    found = read([answered, unanswered, answered], [answered] * 3)
    calls = [row for row in range(len(found)) if found.operation_name(row) == "call find"]
    assert {found.services[found.called[row]] for row in calls} == {"b"}


def test_a_client_span_that_nobody_ever_answers_goes_to_the_only_callee_without_spans() -> None:
    graph = ServiceGraph(("a", "b", "store"), frozenset({("a", "b"), ("a", "store")}))
    request = Did("a", "get", then=(call("a", Did("b", "find")), Did("a", "read rows", kind="client")))
    found = read([request], [request], graph)
    row = next(r for r in range(len(found)) if found.operation_name(r) == "read rows")
    assert found.call_edge(row).name == "a->store"


def test_with_two_callees_without_spans_it_is_not_guessed_which_one_was_called() -> None:
    graph = ServiceGraph(("a", "x", "y"), frozenset({("a", "x"), ("a", "y")}))
    request = Did("a", "get", then=(Did("a", "read rows", kind="client"),))
    assert (read([request], [request], graph).called == -1).all()


def test_calls_of_one_name_are_told_apart_by_their_callee() -> None:
    request = Did("a", "get", then=(call("a", Did("b", "one")), call("a", Did("c", "two"))))
    found = read([request], [request])
    assert len({found.step[row] for row in range(len(found)) if found.client[row]}) == 2


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), max_size=30))
def test_the_most_frequent_value_is_none_of_the_rarer_ones(pairs: list[tuple[int, int]]) -> None:
    group, value = np.array([p[0] for p in pairs], np.int64), np.array([p[1] for p in pairs], np.int64)
    most = most_frequent(group, value, 5)
    for number in range(5):
        counts = np.bincount(value[group == number], minlength=4)
        assert (most[number] == -1) if not counts.any() else counts[most[number]] == counts.max()


def test_an_empty_window_is_read() -> None:
    assert len(read_spans(Compared(spans(), spans()), EMPTY_GRAPH)) == 0


def test_rows_keep_the_order_in_which_they_came() -> None:
    found = read([Did("a", "x"), Did("a", "y")], [])
    assert all(a < b for a, b in pairwise(found.start_us.tolist()))
    assert [found.operation_name(row) for row in range(len(found))] == ["x", "y"]


@given(st.sets(st.integers(0, 9)))
def test_a_part_of_the_traces_reads_as_if_there_were_no_others(chosen: set[int]) -> None:
    requests = [Did("a", "get", 40 + n, (call("a", Did("b", "find", n + 1)), Did("a", "sort"))) for n in range(10)]
    both = compared(requests, requests[:4])
    found = read_spans(both, EMPTY_GRAPH)
    kept = np.isin(found.trace, found.trace[found.parent < 0][sorted(chosen)]) & found.now
    part = found.between(kept, ~found.now)
    alone = read_spans(Compared(both.now.filter(kept[found.now]), both.before), EMPTY_GRAPH)
    for name in ("now", "parent", "start_us", "self_us", "began_us", "covered_us", "error", "client"):
        assert (getattr(part, name) == getattr(alone, name)).all()
    assert (part.seconds, part.requests, part.calls) == (alone.seconds, alone.requests, alone.calls)


def test_durations_beyond_all_reason_do_not_overflow() -> None:
    extremes = [2**63 - 1, -(2**63), 2**62, 0] * 3
    rows = [{"span_id": f"s{i}", "parent_span_id": f"s{i // 2}", "duration_us": d} for i, d in enumerate(extremes)]
    read = read_spans(Compared(spans(*rows)), EMPTY_GRAPH)
    assert (read.duration_us >= 0).all()
    assert (read.self_us >= 0).all()
    assert (read.covered_us <= read.duration_us).all()
