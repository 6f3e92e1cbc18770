from collections import Counter
from typing import cast

from hypothesis import given, settings
from hypothesis import strategies as st

from service.evidence.tables import Compared, Tables
from service.view.sampling import sampled
from tests.telemetry_rows import Row, at, logs, spans


def _traces(compared: Compared | None) -> Counter[str]:
    assert compared is not None
    return Counter(cast(list[str], compared.together.column("trace_id").to_pylist()))


def _tables(traces: int, lines_of_no_trace: int = 0) -> Tables:
    def of(prefix: str) -> tuple[list[Row], list[Row]]:
        rows: list[Row] = []
        lines: list[Row] = []
        for number in range(traces):
            trace = f"{prefix}{number}"
            rows += [{"trace_id": trace, "span_id": f"{trace}-{i}"} for i in range(3)]
            lines += [{"trace_id": trace, "span_id": f"{trace}-0"}]
        lines += [{"body": "alone"} for _ in range(lines_of_no_trace)]
        return rows, lines

    now, before = of("n"), of("b")
    return Tables(
        at(10), spans=Compared(spans(*now[0]), spans(*before[0])), logs=Compared(logs(*now[1]), logs(*before[1]))
    )


def test_what_is_not_too_much_is_left_as_it_is() -> None:
    tables = _tables(50)
    assert sampled(tables, 300) == (tables, ())


def test_of_too_much_whole_traces_are_kept_about_as_many_as_asked_for_and_told() -> None:
    found, notes = sampled(_tables(1000), 1500)
    assert found.spans is not None
    kept = found.spans.together
    traces = _traces(found.spans)
    assert set(traces.values()) == {3}
    assert 1200 < kept.num_rows < 1800
    assert notes[0] == f"traces: {kept.num_rows:,} of 6,000 rows looked at, by traces"
    assert {trace[0] for trace in traces} == {"n", "b"}


def test_lines_are_kept_with_the_traces_that_they_belong_to() -> None:
    found, _ = sampled(_tables(1000), 1500)
    assert _traces(found.logs).keys() == _traces(found.spans).keys()


def test_lines_of_no_trace_are_thinned_too() -> None:
    found, _ = sampled(_tables(10, lines_of_no_trace=5000), 1000)
    assert found.logs is not None
    assert 700 < found.logs.together.num_rows < 1300


@settings(max_examples=20)
@given(st.integers(0, 400), st.integers(0, 2000), st.integers(1, 3000))
def test_no_more_is_kept_than_asked_for_and_what_was_thinned_once_stays_as_it_is(
    traces: int, lines_of_no_trace: int, most: int
) -> None:
    once, _ = sampled(_tables(traces, lines_of_no_trace), most)
    assert all(len(found.together) <= most for found in (once.spans, once.logs) if found is not None)
    assert sampled(once, most) == (once, ())
