"""Services that write no log lines as long as all is well."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.component import service
from service.domain.evidence import TROUBLE, Evidence, EvidenceKind, Signal
from service.domain.graph import ServiceGraph
from service.domain.localization import Suspect
from service.evidence.reading import read
from service.evidence.stretch import WHOLE
from service.evidence.tables import Compared, Tables
from service.rank.statistical import rank
from service.stores.case_tables import CaseTables
from service.stores.memory import InMemoryTelemetry
from service.view.view import View
from tests.evidence.traces import EMPTY_GRAPH, Did, call, compared, shown
from tests.patience import open_patiently
from tests.telemetry_rows import Row, at, incident, logs, metrics, topology

Minutes = tuple[float, float]
BEFORE, ALL, SINCE = (-35.0, -11.0), (0.0, 11.9), (8.0, 11.9)
"""Minutes from noon in the baseline, in the window, and since it fails; the alert fires at ten."""


def written(by: str, body: str, number: int, time: Minutes = SINCE, severity: str = "INFO", **more: str) -> list[Row]:
    """So many lines, spread evenly; "$" in one becomes its number."""
    start, end = time
    return [
        {"service": by, "severity": severity, "body": body.replace("$", str(i)), "time": moment, **more}
        for i in range(number)
        for moment in [at(start + (end - start) * i / number)]
    ]


def usual(by: str, number: int = 200, now: int = 60) -> list[Row]:
    return [*written(by, "served $", number, BEFORE), *written(by, "served $", now)]


def fails(by: str, number: int = 24, severity: str = "ERROR") -> list[Row]:
    return written(by, "cannot do $: no currency", number, severity=severity)


def view(*lines: Row, **tables: object) -> View:
    told = CaseTables(logs=logs(*lines), **tables)  # pyright: ignore[reportArgumentType]
    return open_patiently(incident(), InMemoryTelemetry(told).telemetry)


def of_logs(seen: View, by: str) -> list[Evidence]:
    return [row for row in seen.evidence if row.signal is Signal.LOGS and row.component == service(by)]


def suspects(seen: View) -> list[str]:
    return [one.component.name for one in rank(seen)]


def suspicion(seen: View, by: str) -> float:
    found: list[Suspect] = [one for one in rank(seen) if one.component == service(by)]
    return found[0].score if found else 0.0


def passed_on(by: str) -> list[Row]:
    """A caller that has lines of its own, of which some now tell that a callee failed."""
    return [*usual(by, now=23), *written(by, "charge failed: b: status 500", 24, severity="ERROR")]


@pytest.mark.parametrize("severity", ["ERROR", "WARN", "error", "FATAL"])
def test_errors_of_a_service_that_wrote_nothing_before_are_new(severity: str) -> None:
    seen = view(*usual("a"), *fails("b", severity=severity))
    (row,) = of_logs(seen, "b")
    assert (row.kind, row.now, row.before, row.n_before) == (EvidenceKind.LOG_NEW, 1.0, 0.0, 0)
    assert row.n_now > 12
    assert suspects(seen)[0] == "b"


def test_it_comes_before_a_caller_that_passes_it_on() -> None:
    assert suspects(view(*usual("c"), *passed_on("a"), *fails("b")))[:2] == ["b", "a"]


@pytest.mark.parametrize("known", [True, False])
def test_it_does_so_with_metrics_beside_it(known: bool) -> None:
    samples = [(name, at(minute)) for name in "ab" for minute in range(-35, 12)]
    steady = metrics(*({"component": n, "kind": "service", "service": n, "time": time} for n, time in samples))
    calls = topology({"source": "a", "target": "b"}) if known else topology()
    seen = view(*usual("c"), *passed_on("a"), *fails("b"), metrics=steady, topology=calls)
    assert suspects(seen)[0] == "b"


def test_messages_that_are_all_different_count_together() -> None:
    words = ("apple", "pear", "plum", "fig", "quince", "cherry")
    bodies = [f"{word} {word[::-1]} {len(word) * word}" for word in words]
    lines = [row for body in bodies for row in written("b", body, 4, severity="ERROR")]
    (row,) = of_logs(view(*usual("a"), *lines), "b")
    assert (row.now, row.n_now > 12) == (1.0, True)


def test_it_counts_where_nobody_wrote_anything_before() -> None:
    assert suspects(view(*fails("b"))) == ["b"]


def test_one_or_two_lines_are_no_news() -> None:
    assert of_logs(view(*usual("a"), *fails("b", 2)), "b") == []


@given(st.integers(1, 400), st.sampled_from(["INFO", "DEBUG", ""]))
def test_a_healthy_newcomer_is_no_suspect_however_much_it_writes(number: int, severity: str) -> None:
    seen = view(*usual("a"), *written("b", "served $", number, severity=severity))
    assert of_logs(seen, "b") == []
    assert "b" not in suspects(seen)


def test_a_newcomer_that_warns_now_and_then_is_hardly_suspect() -> None:
    seen = view(*usual("a"), *written("b", "served $", 300), *fails("b", 6, "WARN"))
    assert suspicion(seen, "b") < 0.5


def test_a_service_with_lines_before_is_compared_with_these() -> None:
    seen = view(*usual("a"), *usual("b"), *fails("b"))
    assert {row.n_before for row in of_logs(seen, "b")} == {200}


def beside_traces(lines: list[Row], spans: Compared, graph: ServiceGraph = EMPTY_GRAPH) -> list[Evidence]:
    """What is shown of the lines of b, which wrote none before."""
    told = Tables(at(10), spans=spans, logs=Compared(logs(*usual("a"), *lines), logs(*usual("a"))))
    return shown(row for row in read(told, graph).compare(WHOLE) if row.severity in TROUBLE)


def test_lines_without_trace_ids_count_beside_the_executions_of_their_service() -> None:
    healthy = [Did("a", "buy", 20, (call("a", Did("b", "charge", 5)),))] * 100
    few, many = (beside_traces(fails("b", number), compared(healthy, healthy)) for number in (8, 60))
    assert [(row.kind, row.now) for row in (*few, *many)] == [(EvidenceKind.LOG_NEW, 1.0)] * 2
    assert few[0].shift < many[0].shift / 2


def test_lines_of_a_service_that_writes_no_spans_count() -> None:
    healthy = [Did("a", "buy", 20)] * 100
    (row,) = beside_traces(fails("b"), compared(healthy, healthy))
    assert (row.component, row.kind) == (service("b"), EvidenceKind.LOG_NEW)


def test_lines_of_an_operation_that_was_executed_before_are_compared_with_its_silence_alone() -> None:
    healthy = [Did("a", "buy", 20, (Did("b", "charge", 5),))] * 100
    mine: list[Row] = [
        {"service": "b", "severity": "ERROR", "body": "no currency", "trace_id": f"now{n}", "span_id": f"now{n}-1"}
        for n in range(40)
    ]
    (row,) = beside_traces(mine, compared(healthy, healthy))
    assert (row.given, row.now, row.before) == ("charge", 0.4, 0.0)


def test_lines_of_spans_that_were_kept_only_because_they_failed_count() -> None:
    """As where a collector samples by what happened."""
    now = [Did("a", "buy", 20)] * 60 + [Did("a", "buy", 20, (Did("b", "charge", 5, status="error"),))] * 40
    mine: list[Row] = [
        {"service": "b", "severity": "ERROR", "body": "no currency", "trace_id": f"now{n}", "span_id": f"now{n}-1"}
        for n in range(60, 100)
    ]
    (row,) = beside_traces(mine, compared(now, [Did("a", "buy", 20)] * 100))
    assert (row.given, row.n_now, row.kind) == ("", 40, EvidenceKind.LOG_NEW)


def test_a_silent_caller_shows_no_more_than_the_callee_whose_failure_it_passes_on() -> None:
    calls = topology({"source": "a", "target": "b"})
    chatty = [*usual("b", 900, 276), *fails("b")]
    seen = view(*chatty, *written("a", "b failed", 24, severity="ERROR"), topology=calls)
    assert suspects(seen) == ["b", "a"]
    silent = view(*usual("c"), *fails("b"), *written("a", "b failed", 24, severity="ERROR"), topology=calls)
    assert suspects(silent)[:2] == ["b", "a"]
    retried = view(*usual("c"), *fails("b"), *written("a", "b failed", 72, severity="ERROR"), topology=calls)
    assert suspects(retried)[:2] == ["b", "a"]
