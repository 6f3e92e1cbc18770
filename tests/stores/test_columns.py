from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pyarrow as pa
import pytest

from service.errors import CaseError
from service.ports import LOGS, METRICS, SPANS
from service.stores.columns import conform
from service.stores.validation import LONGEST_NAME
from tests.telemetry_rows import logs, metrics, spans

MOMENT = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)


def replaced(table: pa.Table, name: str, column: Any) -> pa.Table:
    return table.set_column(table.schema.names.index(name), name, column)


def text_types() -> list[pa.DataType]:
    return [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]


@pytest.mark.parametrize("encoding", text_types(), ids=str)
def test_text_may_be_encoded_in_any_way(encoding: pa.DataType) -> None:
    column = pa.array(["cart", None]).cast(encoding)
    table = conform(replaced(logs({}, {}), "service", column), LOGS, "logs")
    assert table.schema.equals(LOGS)
    assert table.column("service").to_pylist() == ["cart", ""]


def test_a_column_of_nothing_but_nulls_is_unknown_text() -> None:
    table = conform(replaced(logs({}, {}), "node", pa.nulls(2)), LOGS, "logs")
    assert table.column("node").to_pylist() == ["", ""]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_come_to_microseconds(unit: Any) -> None:
    column = pa.array([MOMENT]).cast(pa.timestamp("ns", "UTC")).cast(pa.timestamp(unit, "UTC"), safe=False)
    table = conform(replaced(logs({}), "time", column), LOGS, "logs")
    assert table.schema.equals(LOGS)
    (found,) = table.to_pylist()
    assert abs(found["time"] - MOMENT) < timedelta(seconds=1)


def test_times_of_another_zone_are_the_same_moments() -> None:
    there = MOMENT.astimezone(timezone(timedelta(hours=5)))
    column = pa.array([there], pa.timestamp("us", "+05:00"))
    table = conform(replaced(logs({}), "time", column), LOGS, "logs")
    assert table.column("time").to_pylist() == [MOMENT]


def test_whole_numbers_may_be_of_any_width() -> None:
    table = conform(replaced(spans({}), "duration_us", pa.array([7], pa.uint16())), SPANS, "spans")
    assert table.schema.equals(SPANS)


def test_samples_that_are_no_number_are_dropped() -> None:
    column = pa.array([1.0, None, float("nan"), float("inf"), 2.0])
    table = conform(replaced(metrics({}, {}, {}, {}, {}), "value", column), METRICS, "metrics")
    assert table.column("value").to_pylist() == [1.0, 2.0]


def test_further_columns_are_dropped_and_order_does_not_matter() -> None:
    table = spans({}).append_column("colour", pa.array(["red"]))
    shuffled = table.select(sorted(table.schema.names))
    assert conform(shuffled, SPANS, "spans").equals(spans({}))


def bad_columns() -> list[tuple[str, Any, str]]:
    return [
        ("duration_us", pa.array(["fast"]), "column 'duration_us' is string, should be int64"),
        ("duration_us", pa.array([1.5]), "column 'duration_us' is double, should be int64"),
        ("duration_us", pa.array([2**63], pa.uint64()), "column 'duration_us' does not fit int64"),
        ("duration_us", pa.array([None], pa.int64()), "column 'duration_us' has 1 nulls"),
        ("start", pa.array([None], pa.timestamp("us", "UTC")), "column 'start' has 1 nulls"),
        (
            "start",
            pa.array([1], pa.timestamp("us")),
            "column 'start' is timestamp[us], should be timestamp[us, tz=UTC]",
        ),
        ("start", pa.array([2**62], pa.timestamp("s", "UTC")), "column 'start' does not fit"),
        ("service", pa.array([b"cart"]), "column 'service' is binary, should be string"),
        ("service", pa.array([["cart"]]), "column 'service' is list"),
    ]


@pytest.mark.parametrize(("name", "column", "line"), bad_columns())
def test_a_column_of_another_kind_is_refused_in_one_line(name: str, column: Any, line: str) -> None:
    with pytest.raises(CaseError) as refused:
        conform(replaced(spans({}), name, column), SPANS, "spans.parquet")
    assert str(refused.value).startswith(f"spans.parquet: {line}")
    assert "\n" not in str(refused.value)


def test_a_missing_column_is_named() -> None:
    with pytest.raises(
        CaseError, match=r"^spans\.parquet: column 'status' is missing, should be there once, as string$"
    ):
        conform(spans({}).drop_columns(["status"]), SPANS, "spans.parquet")


def test_a_column_that_is_there_twice_is_named() -> None:
    twice = spans({}).append_column("status", pa.array(["ok"]))
    with pytest.raises(CaseError, match="column 'status' is there 2 times"):
        conform(twice, SPANS, "spans.parquet")


def test_text_that_is_no_text_is_refused() -> None:
    broken = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")])
    with pytest.raises(CaseError, match=r"^spans\.parquet: "):
        conform(replaced(spans({}), "service", broken), SPANS, "spans.parquet")


@pytest.mark.parametrize("encoding", text_types(), ids=str)
def test_names_are_printable_whatever_wrote_them(encoding: pa.DataType) -> None:
    column = pa.array(["ca\x1b[2Jrt\n", "p\u202eay", None, "cart"]).cast(encoding)
    table = conform(replaced(logs({}, {}, {}, {}), "service", column), LOGS, "logs")
    assert table.column("service").to_pylist() == ["ca\ufffd[2Jrt\ufffd", "p\ufffday", "", "cart"]


def test_very_long_names_are_shortened_and_stay_apart() -> None:
    long = ["n" * 1_000_000 + end for end in "ab"]
    table = conform(replaced(logs({}, {}), "service", pa.array(long)), LOGS, "logs")
    first, second = (str(name) for name in table.column("service").to_pylist())
    assert first != second
    assert len(first) == len(second) == LONGEST_NAME


def test_what_lines_say_is_left_as_it_is() -> None:
    column = pa.array(["a\nb\x00"])
    table = conform(replaced(logs({}), "body", column), LOGS, "logs")
    assert table.column("body").to_pylist() == ["a\nb\x00"]
