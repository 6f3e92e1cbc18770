import pyarrow as pa
import pytest

from service.stores.evening import FEWEST_LOUD, evened
from service.stores.partial import TRACES, notes_of, shares_of, with_notes
from tests.telemetry_rows import at, logs, spans


def lines(loud: int, quiet: int) -> pa.Table:
    told = [{"severity": "ERROR"}] * loud + [{"severity": "INFO"}] * quiet
    return logs(*({**row, "time": at(n / 100)} for n, row in enumerate(told)))


def levels(table: pa.Table) -> tuple[int, int]:
    told = table.column("severity").to_pylist()
    return told.count("ERROR"), told.count("INFO")


def test_what_is_no_sample_stays_as_it_is() -> None:
    now, before = evened(lines(3, 5), lines(1, 9))
    assert (levels(now), levels(before)) == ((3, 5), (1, 9))


def test_the_time_of_which_more_is_there_is_thinned_to_the_other() -> None:
    now = with_notes(lines(100, 200), [], {"loud": 1.0, "quiet": 0.2})
    before = with_notes(lines(80, 300), [], {"loud": 1.0, "quiet": 0.6})
    assert [levels(table) for table in evened(now, before)] == [(100, 200), (80, 100)]
    assert [levels(table) for table in evened(before, now)] == [(80, 100), (100, 200)]


def test_whole_against_a_sample_is_thinned_too() -> None:
    now = with_notes(lines(0, 200), [], {"loud": 1.0, "quiet": 0.25})
    assert levels(evened(now, lines(0, 400))[1]) == (0, 100)


def test_trouble_that_was_rare_is_never_made_to_look_new() -> None:
    storm = with_notes(lines(1000, 0), [], {"loud": 0.001})
    assert levels(evened(storm, lines(3, 0))[1]) == (3, 0)
    assert levels(evened(storm, lines(400, 0))[1]) == (FEWEST_LOUD, 0)


def test_of_spans_whole_traces_are_kept() -> None:
    table = spans(*({"trace_id": f"t{n // 4}", "span_id": f"s{n}"} for n in range(4000)))
    now, before = evened(with_notes(table, ["some"], {TRACES: 0.25}), table)
    assert now.num_rows == 4000
    kept = before.column("trace_id").to_pylist()
    assert len(kept) == pytest.approx(1000, rel=0.2)
    assert all(kept.count(trace) == 4 for trace in set(kept))


def test_the_marks_come_off() -> None:
    now, before = evened(with_notes(lines(1, 1), ["half of it"], {"quiet": 0.5}), lines(1, 1))
    assert (notes_of(now), shares_of(now), notes_of(before)) == ((), {}, ())
    assert now.schema.metadata is None


def test_notes_outlive_what_is_done_to_a_table() -> None:
    table = with_notes(lines(2, 2), ["half of it"], {"quiet": 0.5})
    assert notes_of(table.slice(1, 2)) == ("half of it",)
    assert notes_of(lines(1, 1)) == ()
