"""Redaction, metric classes, statements: what evidence says in words."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.component import service
from service.domain.evidence import Evidence, EvidenceKind, Signal
from service.evidence.metric_class import about_callees, about_host, good_when_high, metric_class
from service.evidence.redaction import one_line, redact, told
from service.evidence.statement import quantity, statement

SECRETS = [
    "Authorization: Bearer abcdef0123456789",
    "password=hunter2secret",
    'api_key: "k-1234567890"',
    "mail to jane.doe@example.org bounced",
    "paid with 4111 1111 1111 1111 today",
    "https://bob:hunter2secret@host/path",
    "token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "key AKIAIOSFODNN7EXAMPLE",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----",
]
TELLTALES = (
    "abcdef0123456789",
    "hunter2",
    "k-1234567890",
    "jane.doe",
    "4111 1111",
    "c2lnbmF0",
    "AKIA",
    "ghp_a",
    "MIIabc",
)


@pytest.mark.parametrize("text", SECRETS)
def test_secrets_do_not_pass(text: str) -> None:
    assert not [tell for tell in TELLTALES if tell in redact(f"before {text} after")]


@pytest.mark.parametrize("text", ["order 4111111111111112 shipped", "GET /cart took 12 ms", "no rows for token bucket"])
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


@given(st.text(max_size=400), st.integers(1, 80))
def test_what_is_shown_is_one_printable_line_within_its_limit(text: str, limit: int) -> None:
    shown = redact(text, limit)
    assert len(shown) <= max(limit, 1)
    assert not any(ord(c) < 32 or c in "\u2028\u2029\u202e\u200b" for c in shown)


def test_direction_changing_characters_become_spaces() -> None:
    assert one_line("a\u202eb\nc", 10) == "a b c"


@pytest.mark.parametrize(
    ("name", "unit", "expected"),
    [
        ("container_cpu_usage_seconds_total", "", "cpu"),
        ("cpu_usage", "millicores", "cpu"),
        ("container_memory_working_set_bytes", "bytes", "memory"),
        ("node_disk_io_time_seconds_total", "s", "disk"),
        ("container_network_receive_bytes_total", "", "network"),
        ("http_server_request_duration_seconds", "s", "latency"),
        ("latency_p99", "s", "latency"),
        ("http_requests_errors_total", "", "error"),
        ("requests", "1/s", "traffic"),
        ("kube_pod_container_status_restarts_total", "", "restart"),
        ("db_pool_connections_waiting", "", "pool"),
        ("availability_Average", "%", "error"),
        ("frobnications", "", "other"),
    ],
)
def test_a_metric_is_classed_by_the_words_in_its_name(name: str, unit: str, expected: str) -> None:
    assert metric_class(name, unit) == expected


def test_what_is_good_when_high_whose_end_it_is_and_whether_it_is_the_hosts_is_read_from_the_name() -> None:
    assert good_when_high("SuccessRate")
    assert not good_when_high("error_rate")
    assert about_callees("PodClientLatencyP90")
    assert about_host("node_load1")
    assert not about_host("pod_node_count")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (310_000.0, "us", "310 ms"),
        (12.0, "us", "12 µs"),
        (2.5, "s", "2.5 s"),
        (0.042, "share", "4%"),
        (0.002, "share", "0.20%"),
        (5e9, "bytes", "5 GB"),
        (3.2, "1/s", "3.2/s"),
        (9240.0, "By/s", "9.24 kB/s"),
        (12_373.4, "requests", "12,373 requests"),
        (9240.0, "", "9,240"),
        (4096.0, "s", "4,096 s"),
        (0.35, "s/s", "350 ms/s"),
        (12.34, "%", "12.3%"),
        (3.0, "per execution", "3 per execution"),
        (float("inf"), "", "inf"),
    ],
)
def test_numbers_are_told_with_the_unit_that_a_person_would_choose(value: float, unit: str, text: str) -> None:
    assert quantity(value, unit) == text


@pytest.mark.parametrize("kind", list(EvidenceKind))
def test_every_kind_of_evidence_has_a_sentence(kind: EvidenceKind) -> None:
    row = Evidence("e0", Signal.TRACES, kind, service("a"), "get", 5.0, 3000.0, 1000.0, "us", example="x")
    assert statement(row)
    assert "\n" not in statement(row)


def row(kind: EvidenceKind, **parts: object) -> Evidence:
    usual = Evidence("e0", Signal.TRACES, kind, service("a"), "get", 5.0, now=0.5, before=0.25, unit="share")
    return replace(usual, **parts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("finding", "line"),
    [
        (row(EvidenceKind.LOST_CALL, given="list"), "list is followed by get in 25% → 50% of executions"),
        (row(EvidenceKind.LOST_CALL, subject="unanswered get"), "unanswered get: 25% → 50% of calls"),
        (row(EvidenceKind.CALLS, given="list", unit="per execution"), "list calls get 0.25 → 0.5 per execution"),
        (row(EvidenceKind.METRIC, unit="millicores", now=60.0, before=5.0), "get 5 → 60 millicores"),
        (
            row(EvidenceKind.LOG_NEW, severity="error", example="boom"),
            'new ERROR log lines: 25% → 50% of its lines, "boom"',
        ),
        (
            row(EvidenceKind.CHANGE, subject="deploy", example="a 1.2", began_s=-90.0),
            "deploy: a 1.2, 90 s before the alert",
        ),
    ],
)
def test_a_statement_can_be_read_at_night(finding: Evidence, line: str) -> None:
    assert statement(finding) == line


@pytest.mark.parametrize("kind", list(EvidenceKind))
def test_names_in_a_statement_hold_no_secrets_and_an_end(kind: EvidenceKind) -> None:
    name = "GET /reset?mail=jane.doe@example.org&password=hunter2\x1b[2J" + "x" * 100_000
    said = statement(row(kind, subject=name, given=name, unit="x" * 100_000))
    assert "jane" not in said
    assert "hunter2" not in said
    assert "\x1b" not in said
    assert len(said) < 1000


def test_an_example_goes_without_the_ids_that_fill_it() -> None:
    line = "ERROR trace de4750c4502b87183d84b052565c3125 job 7f9c24e8-3b12-4fef-91e5-6b2f1a0c9d3e took 1234567 ms"
    assert told(line, 160) == "ERROR trace … job … took 1234567 ms"
