from datetime import timedelta

import pytest

from service.domain.evidence import Evidence, EvidenceKind, Signal
from service.evidence import reading
from service.evidence.stretch import WHOLE, Stretch
from service.evidence.tables import Compared, Tables
from service.evidence.templates import mine_templates, severity_of
from tests.evidence.traces import EMPTY_GRAPH, Did, compared, shown
from tests.telemetry_rows import Row, at, logs


def _lines(prefix: str, number: int, body: str, every: int = 1) -> list[Row]:
    """A line by the root span of each so-manieth request."""
    rows: list[Row] = [
        {"trace_id": f"{prefix}{i}", "span_id": f"{prefix}{i}-0", "body": body.replace("$", str(i))}
        for i in range(0, number, every)
    ]
    return rows


def _read(now: list[Row], before: list[Row], spans: Compared | None = None) -> reading.Reading:
    return reading.read(Tables(at(10), spans=spans, logs=Compared(logs(*now), logs(*before))), EMPTY_GRAPH)


def _of_logs(
    now: list[Row], before: list[Row], spans: Compared | None = None, after: Stretch = WHOLE
) -> list[Evidence]:
    """What is shown of the lines."""
    rows = _read(now, before, spans).compare(after)
    return shown(row for row in rows if row.signal is Signal.LOGS)


def _evidence(now: list[Row], before: list[Row], requests: int = 60) -> list[Evidence]:
    return _of_logs(now, before, compared([Did("a", "get")] * requests, [Did("a", "get")] * requests))


def test_a_template_that_was_never_there_is_new_and_says_after_which_operation() -> None:
    usual = [*_lines("now", 60, "served $"), *_lines("before", 60, "served $")]
    rows = _evidence([*usual[:60], *_lines("now", 60, "ERROR no rows for order $", 2)], usual[60:])
    assert [(r.kind, r.severity, r.component.name, r.given, r.now) for r in rows] == [
        (EvidenceKind.LOG_NEW, "error", "a", "get", 0.5)
    ]


def test_a_template_that_is_gone_is_gone() -> None:
    other: list[Row] = [{"body": "hello", "service": "b"}] * 60
    rows = _evidence(other, [*other, *_lines("before", 60, "served $")])
    assert [r.kind for r in rows] == [EvidenceKind.LOG_GONE]


def test_chronic_errors_are_no_news() -> None:
    body = "WARN left ticket info is empty for train $"
    assert _evidence(_lines("now", 60, body, 2), _lines("before", 60, body, 2)) == []


def test_more_requests_do_not_make_more_errors_of_the_same_share() -> None:
    body = "ERROR card $ declined"
    spans = compared([Did("a", "get")] * 180, [Did("a", "get")] * 40)
    assert _of_logs(_lines("now", 180, body, 4), _lines("before", 40, body, 4), spans) == []


def test_lines_without_trace_ids_are_compared_as_a_share_of_what_their_service_writes() -> None:
    def lines(errors: int) -> list[Row]:
        rows: list[Row] = [{"body": f"served {i}"} for i in range(100)]
        return [*rows, *({"body": f"ERROR disk {i} full"} for i in range(errors))]

    rows = _of_logs(lines(60), lines(0))
    assert [(r.kind, r.severity) for r in rows if r.rising] == [(EvidenceKind.LOG_NEW, "error")]


def test_an_example_is_redacted_and_short() -> None:
    body = "ERROR login of bob@example.org with password=hunter2 failed " + "x" * 500
    (row,) = _evidence(_lines("now", 60, body), _lines("before", 60, "served $"))[:1]
    assert "hunter2" not in row.example
    assert "bob@" not in row.example
    assert len(row.example) <= 160


def test_without_lines_there_is_nothing_to_say() -> None:
    assert _of_logs([], []) == []


def test_a_line_counts_with_the_request_that_wrote_it_whenever_it_was_written() -> None:
    late: list[Row] = [{"time": at(9), **row} for row in _lines("now", 60, "ERROR gave up on $")]
    read = _read(late, _lines("before", 60, "served $"), compared([Did("a", "get")] * 60, [Did("a", "get")] * 60))
    assert read.lines is not None
    assert read.lines.seconds[:60].tolist() == [i - 600 for i in range(60)]


def test_of_lines_only_those_since_are_compared() -> None:
    lines: list[Row] = [{"body": "ERROR disk full", "time": at(i / 10)} for i in range(50)]
    lines += [{"body": "served", "time": at(i / 10)} for i in range(100)]
    before: list[Row] = [{"body": "served"}] * 100
    since = timedelta(minutes=-4).total_seconds()
    assert [row.kind for row in _of_logs(lines, before, after=Stretch(end_s=since)) if row.severity] == [
        EvidenceKind.LOG_NEW
    ]
    assert _of_logs(lines, before, after=Stretch(since)) == []


def test_a_template_that_did_not_move_has_a_row_that_is_not_shown() -> None:
    lines = [*_lines("now", 60, "served $", 2)], [*_lines("before", 60, "served $", 2)]
    rows = _read(*lines).compare(WHOLE)
    assert [row.subject for row in rows] == ["served <n>"]
    assert shown(rows) == []


@pytest.mark.parametrize(
    ("recorded", "text", "severity"),
    [
        ("ERROR", "all is well", "error"),
        ("Warning", "x", "warn"),
        ("", "2026-11-22 12:00:00 WARN  c.s.Store#31 low", "warn"),
        ("", '{"level":"error","msg":"boom"}', "error"),
        ("", "INFO request done, errors: 0", "info"),
        ("", "Traceback (most recent call last):", "error"),
        ("", "hello", ""),
        ("INFO2", "ERROR in the text", "info"),
    ],
)
def test_severity_is_as_recorded_else_as_the_line_says(recorded: str, text: str, severity: str) -> None:
    assert severity_of(recorded, text) == severity


def test_lines_of_one_statement_are_one_template_whatever_varies_in_them() -> None:
    bodies = [f"12:00:{i:02d}.123 INFO order 7f3a9c1e{i:08x} of 10.0.0.{i}:80 took {i * 3}ms" for i in range(30)]
    mined = mine_templates(logs(*({"body": body} for body in bodies)))
    assert len(set(mined.code.tolist())) == 1


def test_lines_of_two_statements_of_one_file_are_two_templates() -> None:
    mined = mine_templates(logs({"body": "INFO Store#451 calculate 12"}, {"body": "INFO Store#457 calculate 12"}))
    assert len(set(mined.code.tolist())) == 2
    assert "#451" in mined.texts[0]


def test_a_template_belongs_to_one_service() -> None:
    mined = mine_templates(logs({"body": "started", "service": "a"}, {"body": "started", "service": "b"}))
    assert len(mined.texts) == 2
