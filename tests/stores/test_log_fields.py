import pyarrow as pa
import pytest

from service.ports import LOGS
from service.stores.log_fields import ECS, OTEL, USUAL, LogFields, LogRows, is_loud, written_id
from tests.telemetry_rows import logs

TRACE = "0af7651916cd43dd8448eb211c80319c"
T0_US = 1_795_348_800_000_000


def row(told: dict[str, str], body: str | None = None, fields: LogFields = USUAL) -> dict[str, object]:
    rows = LogRows(fields)
    rows.add(T0_US, told, body)
    table = rows.table()
    assert table.schema.equals(LOGS)
    return table.to_pylist()[0]


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ({"service.name": "cart"}, ("cart", "", "")),
        ({"resource.attributes.service.name": "cart", "kubernetes.container.name": "main"}, ("cart", "", "")),
        ({"kubernetes.deployment.name": "cart", "kubernetes.pod.name": "cart-0"}, ("cart", "cart-0", "")),
        ({"app": "cart", "node_name": "n1"}, ("cart", "", "n1")),
        ({"host.name": "n1"}, ("", "", "n1")),
        ({"pod": "cart-0"}, ("cart", "cart-0", "")),
        ({"pod": "by-hand"}, ("unknown_service", "by-hand", "")),
        ({"service_name": "unknown_service", "app": "cart"}, ("cart", "", "")),
        (
            {"service.name": "unknown_service:java", "pod": "cart-66d9f7bc48-kq8zj"},
            ("cart", "cart-66d9f7bc48-kq8zj", ""),
        ),
        ({"service_name": "unknown_service", "node_name": "n1"}, ("", "", "n1")),
        ({}, ("unknown_service", "", "")),
    ],
)
def test_fields_say_whose_a_line_is(told: dict[str, str], found: tuple[str, str, str]) -> None:
    read = row(told, "hello")
    assert (read["service"], read["pod"], read["node"]) == found


def test_a_name_that_is_preferred_is_believed_before_the_usual() -> None:
    assert row({"team": "cart", "service.name": "x"}, fields=USUAL.preferring(service=("team",)))["service"] == "cart"


def test_names_as_labels_have_underscores_and_stand_once() -> None:
    assert OTEL.as_labels().service[0] == "service_name"
    names = USUAL.as_labels().every()
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ('{"message": "hello", "level": "error"}', ("hello", "ERROR", "")),
        (f'{{"msg": "hello", "trace_id": "{TRACE}"}}', ("hello", "", TRACE)),
        ('{"said": "hello"}', ('{"said": "hello"}', "", "")),
        ("[1, 2]", ("[1, 2]", "", "")),
        ("{" * 10_000, ("{" * 10_000, "", "")),
    ],
)
def test_a_line_in_json_is_opened(body: str, found: tuple[str, str, str]) -> None:
    read = row({}, body)
    assert (read["body"], read["severity"], read["trace_id"]) == found


def test_what_the_record_says_is_believed_before_what_its_line_says() -> None:
    read = row({"log.level": "warn"}, '{"message": "hello", "level": "info"}', ECS)
    assert read["severity"] == "WARN"


def test_the_level_unknown_is_none() -> None:
    assert row({"severity": "unknown", "level": "warn"})["severity"] == "WARN"


def test_text_that_is_no_text_does_not_stop_the_others() -> None:
    assert row({"service.name": "a\ud800"}, "b\udfff")["body"] == "b?"


@pytest.mark.parametrize(
    ("told", "written"),
    [
        ("0AF7651916CD43DD8448EB211C80319C", "0af7651916cd43dd8448eb211c80319c"),
        ("0af76519-16cd-43dd-8448-eb211c80319c", "0af7651916cd43dd8448eb211c80319c"),
        ("8448eb211c80319c", "00000000000000008448eb211c80319c"),
        ("0" * 32, ""),
        ("request-7", "request-7"),
        ("", ""),
    ],
)
def test_ids_are_written_as_spans_have_them(told: str, written: str) -> None:
    assert written_id(told, 32) == written


@pytest.mark.parametrize(
    ("severity", "body", "loud"),
    [
        ("ERROR", "", True),
        ("WARN2", "", True),
        ("warning", "", True),
        ("INFO", "an error that nobody minds", False),
        ("", "an ERROR", True),
        ("", "java.lang.NullPointerException", True),
        ("", "terror", False),
        ("", "hello", False),
    ],
)
def test_a_line_is_loud_by_its_level_or_else_by_its_words(severity: str, body: str, loud: bool) -> None:
    table: pa.Table = logs({"severity": severity, "body": body})
    assert is_loud(table).to_pylist() == [loud]


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (f'level=error ts=2026-11-28T12:26:07Z msg="gateway \\"x\\" refused" trace_id={TRACE}', ("ERROR", TRACE)),
        (f'ts=1 traceID="{TRACE}" lvl=warn', ("WARN", TRACE)),
        ("  level=info  caller=charge.go:57", ("INFO", "")),
        ("level=info", ("", "")),
        ("refused: level=error code=3", ("", "")),
        ("a = b", ("", "")),
        ("https://a.example/?level=error&x=1", ("", "")),
    ],
)
def test_a_line_in_logfmt_is_opened_and_stays_whole(body: str, found: tuple[str, str]) -> None:
    read = row({}, body)
    assert read["body"] == body
    assert (read["severity"], read["trace_id"]) == found


def test_what_the_record_says_itself_counts_before_its_line() -> None:
    assert row({"severity_text": "WARN"}, "level=error a=b")["severity"] == "WARN"
