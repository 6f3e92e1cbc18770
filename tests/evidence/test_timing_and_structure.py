import numpy as np
import pytest

from service.domain.evidence import Evidence, EvidenceKind
from service.domain.graph import ServiceGraph
from service.evidence.spans import Spans
from service.evidence.structure import structure_evidence
from service.evidence.timing import timing_evidence
from tests.evidence.traces import Did, call, read, shown

RNG = np.random.default_rng(7)


@pytest.fixture(autouse=True)
def own_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test draws the same numbers, whichever ran before."""
    monkeypatch.setitem(globals(), "RNG", np.random.default_rng(7))


def _about(ms: float) -> float:
    return float(ms * RNG.lognormal(0, 0.1))


def _request(
    own_ms: float = 5, callee_ms: float = 20, wait_ms: float = 1, follows: bool = True, failed: bool = False
) -> Did:
    then = (Did("b", "store", _about(2)),) if follows else ()
    callee = Did("b", "find", _about(callee_ms) + 2, then, kind="server", status="error" if failed else "unset")
    step = call("a", callee, _about(wait_ms))
    return Did("a", "get", step.ms + _about(own_ms), (step,), status="error" if failed else "unset")


def _many(number: int = 60, **how: float | bool) -> list[Did]:
    return [_request(**how) for _ in range(number)]  # type: ignore[arg-type]


def _strongest(spans: Spans) -> Evidence:
    rows = [row for row in (*timing_evidence(spans), *structure_evidence(spans)) if row.rising != _is_lost(row)]
    return max(rows, key=lambda row: row.score)


def _is_lost(row: Evidence) -> bool:
    return row.kind is EvidenceKind.LOST_CALL


def test_a_slow_network_shows_as_the_gap_of_the_edge() -> None:
    row = _strongest(read(_many(wait_ms=200), _many()))
    assert (row.kind, row.component.name) == (EvidenceKind.GAP, "a->b")
    assert row.now == pytest.approx(200_000, rel=0.2)
    assert row.before == pytest.approx(1_000, rel=0.3)


def test_a_slow_callee_shows_as_its_own_time_and_leaves_no_gap() -> None:
    rows = shown(timing_evidence(read(_many(callee_ms=400), _many())))
    own = [row for row in rows if row.kind is EvidenceKind.SELF_TIME]
    assert [row.component.name for row in own] == ["b"]
    assert not [row for row in rows if row.kind is EvidenceKind.GAP]


def test_its_callers_take_longer_too_but_not_by_themselves() -> None:
    rows = shown(timing_evidence(read(_many(callee_ms=400), _many())))
    slow = {row.component.name for row in rows if row.kind is EvidenceKind.LATENCY}
    assert slow == {"a", "b"}


def test_an_early_return_shows_as_a_call_that_no_longer_follows() -> None:
    row = _strongest(read(_many(follows=False), _many()))
    assert (row.kind, row.component.name, row.subject, row.given) == (EvidenceKind.LOST_CALL, "b", "store", "find")


def test_a_call_that_another_replaced_counts_less_than_one_that_is_just_gone() -> None:
    def request(inner: str) -> Did:
        return Did("a", "get", then=(Did("a", inner),) if inner else ())

    before = [request("x")] * 60
    gone = next(iter(structure_evidence(read([request("")] * 60, before))))
    replaced = [row for row in structure_evidence(read([request("y")] * 60, before)) if _is_lost(row)]
    assert replaced
    assert _is_lost(gone)
    assert all(row.score < gone.score / 2 for row in replaced)


def test_an_error_is_told_of_where_it_arises_not_of_its_callers() -> None:
    rows = shown(structure_evidence(read(_many(failed=True), _many())))
    errors = [row for row in rows if row.kind is EvidenceKind.ERROR_SHARE]
    assert [(row.component.name, row.now) for row in errors] == [("b", 1.0)]


def _call_without_answer(ms: float, status: str = "unset") -> Did:
    step = Did("a", "call find", ms, kind="client", status=status)
    return Did("a", "get", ms + 5, (step,))


def test_a_call_that_runs_into_its_limit_unanswered_speaks_of_the_edge() -> None:
    rows = shown(structure_evidence(read(_many(30) + [_call_without_answer(5000)] * 30, _many())))
    lost = [row for row in rows if row.subject.startswith("unanswered")]
    assert [row.component.name for row in lost] == ["a->b"]


def test_a_call_whose_callee_was_merely_not_recorded_is_not_called_unanswered() -> None:
    usual = [_call_without_answer(float(np.median([_request().then[0].ms for _ in range(50)])))] * 30
    rows = shown(structure_evidence(read(_many(30) + usual, _many(200))))
    assert not [row for row in rows if row.subject.startswith("unanswered")]


def test_retries_show_as_more_calls_in_one_execution() -> None:
    def request(times: int) -> Did:
        return Did("a", "get", then=tuple(call("a", Did("b", "find")) for _ in range(times)))

    rows = shown(structure_evidence(read([request(3)] * 40, [request(1)] * 40)))
    assert [(r.component.name, r.before, r.now) for r in rows if r.kind is EvidenceKind.CALLS] == [("a", 1.0, 3.0)]


def test_a_service_that_requests_no_longer_reach_is_silent() -> None:
    rows = shown(structure_evidence(read([Did("a", "get")] * 40, _many(40))))
    assert [r.component.name for r in rows if r.kind is EvidenceKind.SILENCE] == ["b"]


def test_calls_to_a_store_without_spans_speak_of_the_edge_to_it() -> None:
    graph = ServiceGraph(("a", "rows"), frozenset({("a", "rows")}))

    def request(ms: float) -> Did:
        return Did("a", "get", ms + 5, (Did("a", "select", ms, kind="client"),))

    rows = shown(timing_evidence(read([request(_about(300)) for _ in range(40)], [request(_about(3))] * 40, graph)))
    assert "a->rows" in {row.component.name for row in rows}
    assert not [row for row in rows if row.kind is EvidenceKind.SELF_TIME]


@pytest.mark.parametrize("number", [0, 1, 3])
def test_too_few_requests_say_nothing_rather_than_something_wrong(number: int) -> None:
    spans = read(_many(number, callee_ms=400), _many(number))
    assert [row for row in timing_evidence(spans) if row.score > 10] == []
    assert all(np.isfinite(row.score) for row in (*timing_evidence(spans), *structure_evidence(spans)))


def test_healthy_traffic_gives_next_to_nothing() -> None:
    spans = read(_many(200), _many(200))
    assert [row for row in (*timing_evidence(spans), *structure_evidence(spans)) if row.score > 4] == []


def _checkout(answer: str) -> Did:
    """One that asks `prices`, then `stock`; by a bad answer it gives up after the first, by a bad wish before it."""
    prices, stock = call("a", Did("prices", "find", _about(5))), call("a", Did("stock", "find", _about(5)))
    then = {"good": (prices, stock), "bad": (prices,), "never asked": (), "bad in the end": (prices, stock)}[answer]
    failed = answer != "good"
    return Did("a", "check out", sum(step.ms for step in then) + 2, then, status="error" if failed else "unset")


@pytest.mark.parametrize(
    ("answer", "accused"), [("bad", ["a->prices"]), ("never asked", []), ("bad in the end", []), ("good", [])]
)
def test_who_fails_after_a_call_after_which_others_go_on_names_whom_it_called(answer: str, accused: list[str]) -> None:
    now = [_checkout(answer if i % 2 else "good") for i in range(60)]
    rows = shown(structure_evidence(read(now, [_checkout("good") for _ in range(60)])))
    assert [
        r.component.name for r in rows if r.kind is EvidenceKind.ERROR_SHARE and "->" in r.component.name
    ] == accused


def test_who_always_fails_after_a_call_does_not_name_whom_it_called() -> None:
    many = [_checkout("bad" if i % 2 else "good") for i in range(60)]
    assert not [r for r in shown(structure_evidence(read(many, many))) if r.kind is EvidenceKind.ERROR_SHARE]
