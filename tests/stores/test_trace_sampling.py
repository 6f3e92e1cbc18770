import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.graph import ServiceGraph
from service.domain.window import Window
from service.errors import BackendError
from service.evidence.constants import DRIFT_OF_SHARE
from service.evidence.spans import read_spans
from service.evidence.tables import Compared
from service.stores.partial import ANY, notes_of, queries_of
from service.stores.patience import patience
from service.stores.trace_sampling import (
    FIRST,
    FOCUS,
    MOST_NAMED,
    SLICES,
    WORST,
    Asked,
    Found,
    TracePlan,
    known_among,
    sampled_spans,
    slices_of,
)
from tests.patience import PATIENT_PLAN
from tests.telemetry_rows import NOON, spans

HOUR = Window(NOON, NOON + timedelta(hours=1))
PLAN = replace(PATIENT_PLAN, traces=100)
FEW = WORST * SLICES // 2


@dataclass
class Traces:
    """A search over traces of one span each, one ``every_s`` for ``of_s`` from ``at_s`` on; one in a hundred failed,
    and one in a hundred is slow.
    """

    every_s: float
    at_s: float = 0.0
    of_s: float = 3600.0
    services: Sequence[str] = ("web",)
    trouble: Callable[[Asked], BaseException | None] = lambda asked: None
    name: str = "Traces"
    asked: list[Asked] = field(default_factory=list[Asked])
    named: list[str] = field(default_factory=list[str])

    @property
    def count(self) -> int:
        return int(HOUR.length.total_seconds() / self.every_s)

    def row(self, number: int) -> dict[str, Any]:
        return {
            "trace_id": f"{number:x}",
            "span_id": f"{number:x}",
            "service": "web",
            "start": HOUR.start + timedelta(seconds=number * self.every_s),
            "duration_us": 900_000 if number % 100 == 7 else 1000 + number % 10,
            "status": "error" if number % 100 == 3 else "ok",
        }

    async def focus(self, window: Window, alerting: Sequence[str]) -> Sequence[str]:
        return self.services

    async def search(self, asked: Asked) -> Found:
        self.asked.append(asked)
        if isinstance(trouble := self.trouble(asked), TimeoutError):
            await asyncio.sleep(3600)
        elif trouble is not None:
            raise trouble
        first = max(0, int((asked.window.start - HOUR.start).total_seconds() / self.every_s))
        last = min(self.count, int((asked.window.end - HOUR.start).total_seconds() / self.every_s) + 1)
        rows = (self.row(number) for number in range(first, last))
        fitting = [
            row
            for row in rows
            if asked.window.start <= row["start"] <= asked.window.end
            and self.at_s <= (row["start"] - HOUR.start).total_seconds() <= self.at_s + self.of_s
            and (not asked.failed or row["status"] == "error")
            and row["duration_us"] >= asked.at_least_us
        ]
        newest = fitting[-asked.limit :]
        return Found(spans(*newest), len(newest), f"traces of {asked.service}")

    async def trace(self, trace_id: str, window: Window) -> pa.Table:
        self.named.append(trace_id)
        return spans(self.row(int(trace_id, 16)))


def sampled(search: Traces, window: Window = HOUR, plan: TracePlan = PLAN, named: Sequence[str] = ()) -> pa.Table:
    return asyncio.run(sampled_spans(search, window, (), plan, named))


def share(table: pa.Table, status: str) -> float:
    return table.column("status").to_pylist().count(status) / table.num_rows


@pytest.mark.parametrize("every_s", [3600, 400, 60])
def test_of_few_traces_all_are_there(every_s: float) -> None:
    search = Traces(every_s)
    table = sampled(search)
    assert table.num_rows == search.count
    assert notes_of(table) == ()


@pytest.mark.parametrize("at_s", range(0, 3600, 300))
@pytest.mark.parametrize("of_s", [10, 60, 200])
def test_of_many_that_lie_between_the_slices_or_at_one_end_there_is_a_sample(at_s: float, of_s: float) -> None:
    table = sampled(Traces(0.05, at_s, of_s))
    assert table.num_rows >= PLAN.traces / len(slices_of(HOUR))
    (note,) = notes_of(table)
    assert note.startswith(f"a sample of {table.num_rows} traces")


def test_where_the_whole_is_not_answered_the_first_traces_are_kept() -> None:
    def trouble(asked: Asked) -> BackendError | None:
        return BackendError("Traces are away") if asked.window == HOUR and asked.limit > FIRST else None

    table = sampled(Traces(0.05, 3580, 20, trouble=trouble))
    assert table.num_rows >= FIRST
    assert any("Traces are away" in note for note in notes_of(table))


def test_of_many_a_sample_is_and_says_so() -> None:
    table = sampled(Traces(2))
    assert PLAN.traces <= table.num_rows <= PLAN.traces + SLICES + 2 * FEW
    assert notes_of(table) == (f"a sample of {table.num_rows} traces, typical and worst",)


def test_a_sample_is_of_the_whole_window() -> None:
    starts = sampled(Traces(2)).column("start").to_pylist()
    parts = {(start - HOUR.start) // (HOUR.length / SLICES) for start in starts if start is not None}
    assert parts == set(range(SLICES))


def test_a_sample_holds_failed_and_slow_ones_but_not_so_many_that_all_would_look_worse() -> None:
    table = sampled(Traces(0.5))
    assert table.column("duration_us").to_pylist().count(900_000) >= SLICES // 2
    assert table.column("status").to_pylist().count("error") >= SLICES // 2
    assert share(table, "error") - 0.01 < 2 * DRIFT_OF_SHARE


def test_rates_stay_true() -> None:
    now = Window(HOUR.end - timedelta(minutes=11), HOUR.end)
    before = Window(HOUR.start, now.start - timedelta(seconds=1))
    search = Traces(1)
    compared = Compared(sampled(search, now), sampled(search, before))
    told = read_spans(compared, ServiceGraph(()))
    rates = [
        table.num_rows / s for table, s in zip((compared.now, compared.before), told.seconds, strict=True) if table
    ]
    assert 0.7 < rates[0] / rates[1] < 1.4


def test_questions_are_as_many_for_much_traffic_as_for_more() -> None:
    counts = {every_s: len(asked.asked) for every_s in (2.0, 1.0) if (asked := Traces(every_s)) and sampled(asked)}
    assert set(counts.values()) == {1 + SLICES + 2 * SLICES // 2}


def test_of_large_traces_fewer_are_asked_for() -> None:
    search = Traces(2)
    sampled(search, plan=replace(PLAN, spans=30))
    assert max(asked.limit for asked in search.asked) == FIRST
    assert sum(asked.limit for asked in search.asked[1:]) < 2 * 30


def test_no_more_than_a_few_services_are_asked_for() -> None:
    search = Traces(60, services=[f"s{n}" for n in range(20)])
    sampled(search)
    assert {asked.service for asked in search.asked} == {f"s{n}" for n in range(FOCUS)}


@given(st.lists(st.integers(0, 1799).map(lambda number: f"{number:x}"), max_size=8, unique=True))
def test_traces_that_are_named_are_there_for_no_more_questions(named: list[str]) -> None:
    usual, search = Traces(2), Traces(2)
    sampled(usual)
    table = sampled(search, named=named)
    assert set(named[:MOST_NAMED]) <= set(table.column("trace_id").to_pylist())
    assert search.named == named[:MOST_NAMED]
    assert len(search.asked) + len(search.named) == len(usual.asked)


def test_a_table_tells_how_each_service_was_asked_for() -> None:
    queries = queries_of(sampled(Traces(2, services=("web", "cart"))))
    assert queries == {ANY: "traces of web", "web": "traces of web", "cart": "traces of cart"}


def test_whoever_has_less_time_gets_what_is_there_by_then() -> None:
    hung = fails_for(lambda asked: asked.limit != FIRST, TimeoutError())
    with patience(0.2):
        table = sampled(Traces(60, trouble=hung))
    assert table.num_rows == FIRST


def fails_for(which: Callable[[Asked], bool], error: BaseException) -> Callable[[Asked], BaseException | None]:
    return lambda asked: error if which(asked) else None


DOWN = BackendError("Traces is down")


def test_what_one_question_did_not_get_is_told_and_the_rest_is_there() -> None:
    table = sampled(Traces(2, trouble=fails_for(lambda asked: asked.failed, DOWN)))
    assert table.num_rows >= PLAN.traces
    assert "some questions were not answered: Traces is down" in notes_of(table)


def test_where_no_question_was_answered_that_is_an_error() -> None:
    with pytest.raises(BackendError, match="Traces is down"):
        sampled(Traces(2, trouble=fails_for(lambda asked: True, DOWN)))


def test_a_service_of_which_nothing_could_be_had_costs_itself_alone() -> None:
    services = ("web", "other")
    table = sampled(Traces(60, services=services, trouble=fails_for(lambda asked: asked.service == "other", DOWN)))
    assert table.num_rows == 60
    assert notes_of(table) == ("some questions were not answered: Traces is down",)


def test_what_is_not_there_in_time_is_done_without() -> None:
    hung = fails_for(lambda asked: asked.limit != FIRST, TimeoutError())
    table = sampled(Traces(60, trouble=hung), plan=TracePlan(within_s=0.05))
    assert table.num_rows == FIRST
    assert notes_of(table) == ("some questions were not answered: Traces did not answer within 0.05 s",)


def test_where_nothing_is_there_in_time_that_is_an_error() -> None:
    with pytest.raises(BackendError, match=r"did not answer within 0\.05 s"):
        sampled(Traces(60, trouble=fails_for(lambda asked: True, TimeoutError())), plan=TracePlan(within_s=0.05))


@given(st.floats(min_value=0.1, max_value=86_400 * 2))
def test_slices_lie_in_the_window_and_apart(length_s: float) -> None:
    window = Window(NOON, NOON + timedelta(seconds=length_s))
    slices = slices_of(window)
    assert 2 <= len(slices) <= SLICES
    assert window.start <= slices[0].start
    assert slices[-1].end <= window.end
    gaps = [after.start - before.end for before, after in pairwise(slices)]
    assert min(gaps) > timedelta()
    if window.length >= timedelta(minutes=4):  # what lies between them then counts as not recorded
        assert min(gaps) >= timedelta(minutes=1) - timedelta(microseconds=len(slices))


@pytest.mark.parametrize(
    ("alerting", "known", "chosen"),
    [
        (["cart"], ["web", "cart"], ["cart"]),
        (["CART"], ["web", "Cart"], ["Cart"]),
        (["Cart"], ["cart", "Cart"], ["Cart"]),
        (["cart", "cart", "nobody"], ["cart"], ["cart"]),
        (["hypocenter"], ["hypocenter", "web"], []),
        ([], ["web"], []),
        (["a", "b", "c", "d"], ["d", "c", "b", "a"], ["a", "b", "c"]),
    ],
)
def test_alerting_services_are_known_by_the_names_of_traces(
    alerting: list[str], known: list[str], chosen: list[str]
) -> None:
    assert known_among(alerting, known) == chosen
