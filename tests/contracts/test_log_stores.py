"""What every store of logs promises, over all of them: the same rows, whatever language the questions are put in."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from service.domain.window import Window
from service.evidence.templates import severity_of
from service.ports import LOGS, Telemetry
from service.stores.case_tables import CaseTables
from service.stores.partial import notes_of, shares_of
from tests.contracts.log_stores import LIVE, Open, as_parameter
from tests.contracts.test_telemetry_ports import embedded, in_memory, recorded
from tests.telemetry_rows import NOON, Row, at, logs

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HOUR = Window(NOON, at(60))

each = pytest.mark.parametrize("store", list(map(as_parameter, (in_memory, recorded, embedded, *LIVE))))
each_live = pytest.mark.parametrize("store", list(map(as_parameter, LIVE)))


def ask(store: Open, rows: pa.Table, window: Window, directory: Path) -> pa.Table:
    telemetry = store(CaseTables(logs=rows), directory)
    assert telemetry.logs is not None
    return asked(telemetry, window)


def asked(telemetry: Telemetry, window: Window) -> pa.Table:
    assert telemetry.logs is not None
    return asyncio.run(telemetry.logs.logs(window))


def told(table: pa.Table) -> list[dict[str, Any]]:
    """Rows in the order of time; a severity is what evidence takes it for, since each backend writes it its own way."""
    rows = table.to_pylist()
    known = [{**row, "severity": severity_of(row["severity"], row["body"])} for row in rows]
    return sorted(known, key=lambda row: (row["time"], row["body"]))


def rows_of(*rows: Row) -> pa.Table:
    return logs(*({"pod": "a-1", "node": "node-1", "severity": "INFO", **row} for row in rows))


@each
def test_the_rows_are_those_of_the_recorded_table(store: Open, tmp_path: Path) -> None:
    rows = rows_of(
        {"time": at(1), "body": "took 5 ms"},
        {"time": at(2), "service": "b", "pod": "b-1", "severity": "ERROR", "body": "refused"},
        {"time": at(3), "severity": "WARN", "body": "slow"},
        {"time": at(4), "severity": "DEBUG", "pod": "", "node": "", "body": "in"},
        {"time": at(5), "severity": "", "body": "no level here"},
    )
    assert told(ask(store, rows, HOUR, tmp_path / "case")) == told(rows)


@each
def test_both_ends_belong_to_the_window(store: Open, tmp_path: Path) -> None:
    ends = [at(5), at(6)]
    millisecond = timedelta(milliseconds=1)
    times = [ends[0] - millisecond, *ends, ends[1] + millisecond]
    found = ask(store, rows_of(*({"time": time} for time in times)), Window(*ends), tmp_path / "case")
    assert found.column("time").to_pylist() == ends


@each
@pytest.mark.parametrize(
    "body",
    [
        'it\'s "quoted" `so` \\ and {so} [and so] | $ %',
        "naïve ☃ 🚀 مرحبا",
        "first\nsecond\tthird",
        "x" * 10_000,
        '{"message": 3}',
        "{not json",
        "' OR 1 = 1 --",
    ],
)
def test_what_a_line_says_comes_through_unchanged(store: Open, body: str, tmp_path: Path) -> None:
    found = ask(store, rows_of({"time": at(1), "body": body}), HOUR, tmp_path / "case")
    assert found.column("body").to_pylist() == [body]


@each
def test_a_time_without_lines_is_an_empty_table(store: Open, tmp_path: Path) -> None:
    found = ask(store, rows_of({"time": at(1)}), Window(at(70), at(80)), tmp_path / "case")
    assert found.num_rows == 0
    assert found.schema.equals(LOGS)


@each_live
def test_a_line_knows_its_span(store: Open, tmp_path: Path) -> None:
    rows = rows_of({"time": at(1), "trace_id": TRACE, "span_id": SPAN})
    found = ask(store, rows, HOUR, tmp_path).to_pylist()
    assert [(row["trace_id"], row["span_id"]) for row in found] == [(TRACE, SPAN)]


@each_live
def test_lines_of_ours_are_left_out(store: Open, tmp_path: Path) -> None:
    rows = rows_of({"time": at(1), "service": "hypocenter"}, {"time": at(2)})
    assert ask(store, rows, HOUR, tmp_path).column("service").to_pylist() == ["a"]


@each_live
def test_few_lines_come_whole_and_nothing_is_said(store: Open, tmp_path: Path) -> None:
    found = ask(store, rows_of({"time": at(1)}), HOUR, tmp_path)
    assert (notes_of(found), shares_of(found)) == ((), {})


BUSY_TIMES = [NOON + timedelta(milliseconds=8_000 * n) for n in range(450)]
"""An hour of lines, nine times as many as come whole."""


def busy() -> pa.Table:
    """Many lines, a few of which tell of trouble: by their level, or, where they have none, by words."""
    usual: list[Row] = [{"time": time, "body": f"took {n % 97} ms"} for n, time in enumerate(BUSY_TIMES)]
    for n in range(0, len(usual), 50):
        usual[n] = {"time": BUSY_TIMES[n], "body": f"refused {n}", "severity": "ERROR"}
    for n in range(25, len(usual), 50):
        usual[n] = {"time": BUSY_TIMES[n], "body": f"exception {n}", "severity": ""}
    return rows_of(*usual)


@pytest.fixture(scope="module")
def busy_table() -> pa.Table:
    return busy()


def minutes_of(times: list[datetime]) -> set[int]:
    return {int((time - NOON).total_seconds() // 60) for time in times}


@each_live
def test_of_many_lines_trouble_comes_whole_and_the_rest_from_everywhere(
    store: Open, busy_table: pa.Table, tmp_path: Path
) -> None:
    found = ask(store, busy_table, HOUR, tmp_path)
    rows = found.to_pylist()
    loud = [row["body"] for row in rows if not row["body"].startswith("took")]
    assert sorted(loud) == sorted(row["body"] for row in busy_table.to_pylist() if not row["body"].startswith("took"))
    quiet = [row["time"] for row in rows if row["body"].startswith("took")]
    assert 100 < len(quiet) <= 200
    assert len({minute // 8 for minute in minutes_of(quiet)}) == 8
    assert quiet == sorted(quiet)
    assert len(set(quiet)) == len(quiet)
    assert "18 of 18 lines of warnings and errors looked at" in notes_of(found)[0]
    assert shares_of(found)["quiet"] == pytest.approx(len(quiet) / (450 - 18))


@each_live
def test_a_sample_is_the_same_for_whoever_asks_again(store: Open, busy_table: pa.Table, tmp_path: Path) -> None:
    telemetry = store(CaseTables(logs=busy_table), tmp_path)
    assert asked(telemetry, HOUR).equals(asked(telemetry, HOUR))
