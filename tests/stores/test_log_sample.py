"""Sampling alone, over a source that does as it is told."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as some

from service.domain.window import Window
from service.errors import BackendError
from service.ports import LOGS
from service.stores.log_fields import OTEL, LogRows
from service.stores.log_sample import Counted, LogPlan, Page, Part, Stretch, sampled_logs
from service.stores.partial import notes_of, shares_of
from tests.telemetry_rows import NOON, at

WINDOW = Window(NOON, at(10))
WHOLE = Stretch.of(WINDOW)
PLAN = LogPlan(page=10, moment_page=5)
PATIENCE_S = 100.0


@dataclass(slots=True)
class Source:
    """Lines of trouble and others, each at a time in microseconds after the window's start; ``before`` is called with
    each question for lines.
    """

    loud: list[int] = field(default_factory=list[int])
    quiet: list[int] = field(default_factory=list[int])
    before: Callable[[Part], None] = lambda _: None
    counts: bool = True
    hangs: Part | None = None
    asked: list[tuple[Stretch, Part]] = field(default_factory=list[tuple[Stretch, Part]])
    name: str = "Source"

    async def count(self, stretch: Stretch) -> Counted:
        if not self.counts:
            await asyncio.sleep(3600)
        return Counted(len(self.loud) + len(self.quiet), len(self.loud), ("it is old",))

    async def page(self, stretch: Stretch, part: Part, limit: int) -> Page:
        self.asked.append((stretch, part))
        self.before(part)
        if part is self.hangs:
            await asyncio.sleep(3600)
        loud = [] if part is Part.QUIET else [(us, "ERROR") for us in self.loud]
        quiet = [] if part is Part.LOUD else [(us, "INFO") for us in self.quiet]
        inside = [(us, level) for us, level in sorted(loud + quiet) if self._within(stretch, us)]
        rows = LogRows(OTEL)
        for number, (us, level) in enumerate(inside[:limit]):
            rows.add(WHOLE.start_us + us, {"severity_text": level, "service.name": "a", "body": f"{us} {number}"})
        return Page(rows.table(), ("one shard is away",) if part is Part.QUIET else ())

    @staticmethod
    def _within(stretch: Stretch, us: int) -> bool:
        return stretch.start_us <= WHOLE.start_us + us <= stretch.end_us


def sample(source: Source, patience_s: float = PATIENCE_S, plan: LogPlan = PLAN) -> pa.Table:
    return asyncio.run(sampled_logs(source, WINDOW, patience_s, plan))


def evenly(count: int) -> list[int]:
    return [WHOLE.length_us * n // count for n in range(count)]


def levels(table: pa.Table) -> dict[str, int]:
    told = Counter(str(level) for level in table.column("severity").to_pylist())
    return dict(sorted(told.items()))


def test_few_lines_cost_one_question() -> None:
    source = Source(loud=evenly(2), quiet=evenly(8))
    assert levels(sample(source)) == {"ERROR": 2, "INFO": 8}
    assert source.asked == [(WHOLE, Part.ALL)]


def test_no_lines_cost_none() -> None:
    source = Source()
    assert sample(source).equals(LOGS.empty_table())
    assert source.asked == []


@pytest.mark.parametrize("times", [1, 10, 100])
def test_however_many_lines_there_are_the_questions_and_the_answer_are_bounded(times: int) -> None:
    source = Source(loud=evenly(100 * times), quiet=evenly(1000 * times))
    found = sample(source)
    assert len(source.asked) <= PLAN.stretches * PLAN.pages + PLAN.moments
    assert found.num_rows <= PLAN.stretches * PLAN.pages * PLAN.page + PLAN.moments * PLAN.moment_page
    assert levels(found)["INFO"] > PLAN.moments * PLAN.moment_page / 2


def test_trouble_that_comes_all_at_once_is_read_to_its_end() -> None:
    source = Source(loud=list(range(15)), quiet=evenly(100))
    assert levels(sample(source))["ERROR"] == 15


def test_more_lines_in_one_moment_than_a_page_holds_do_not_keep_it_there() -> None:
    source = Source(loud=[0] * 30 + [5000], quiet=evenly(100))
    assert levels(sample(source))["ERROR"] == PLAN.page + 1


def test_what_is_left_out_is_said() -> None:
    found = sample(Source(loud=evenly(5), quiet=evenly(400)))
    there = levels(found)["INFO"]
    assert notes_of(found) == (
        f"5 of 5 lines of warnings and errors looked at, {there} of 400 others", "it is old", "one shard is away"
    )  # fmt: skip
    assert shares_of(found) == {"loud": 1.0, "quiet": there / 400}


def refuse(wanted: Part) -> Callable[[Part], None]:
    def before(part: Part) -> None:
        if part is wanted:
            raise BackendError("Source is out of memory")

    return before


def test_a_question_that_fails_costs_its_own_lines() -> None:
    found = sample(Source(loud=evenly(5), quiet=evenly(400), before=refuse(Part.QUIET)))
    assert levels(found) == {"ERROR": 5}
    assert "8 of 9 questions failed: Source is out of memory" in notes_of(found)


def test_where_every_question_fails_there_is_no_answer() -> None:
    with pytest.raises(BackendError, match="Source is out of memory"):
        sample(Source(quiet=evenly(400), before=refuse(Part.QUIET)))


def test_lines_that_do_not_come_in_time_are_not_waited_for() -> None:
    found = sample(Source(loud=evenly(5), quiet=evenly(400), hangs=Part.QUIET), patience_s=0.5)
    assert levels(found) == {"ERROR": 5}
    assert "8 of 9 questions were not answered in time" in notes_of(found)


def test_where_nothing_comes_in_time_there_is_no_answer() -> None:
    with pytest.raises(BackendError, match="Source gave no line in time"):
        sample(Source(quiet=evenly(400), hangs=Part.QUIET), patience_s=0.1)


def test_what_takes_too_long_to_count_is_looked_at_uncounted() -> None:
    found = sample(Source(loud=evenly(5), quiet=evenly(400), counts=False), patience_s=1.0)
    assert levels(found) == {"ERROR": 5, "INFO": PLAN.moments * PLAN.moment_page}
    assert notes_of(found)[0] == "too many lines to be counted in time; 45 of them looked at"
    assert shares_of(found) == {}


def test_an_error_of_ours_is_not_taken_for_the_server_s() -> None:
    def broken(_: Part) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        sample(Source(quiet=evenly(400), before=broken))


def long(start_us: int, length_us: int) -> Stretch:
    return Stretch(start_us, start_us + length_us - 1)


stretches = some.builds(long, some.integers(0, 10**15), some.integers(1, 10**11))


@given(stretches, some.integers(1, 12))
def test_cut_pieces_are_all_of_a_stretch_and_nothing_twice(stretch: Stretch, count: int) -> None:
    pieces = stretch.cut(count)
    assert pieces[0].start_us == stretch.start_us
    assert pieces[-1].end_us == stretch.end_us
    assert all(after.start_us == before.end_us + 1 for before, after in pairwise(pieces))
    assert all(piece.start_us % 1000 == 0 for piece in pieces[1:])


@given(stretches, some.integers(1, 12), some.floats(0.001, 0.999))
def test_moments_lie_in_their_pieces(stretch: Stretch, count: int, share: float) -> None:
    for whole, moment in zip(stretch.cut(count), stretch.cut(count, share), strict=True):
        assert whole.start_us <= moment.start_us <= moment.end_us <= whole.end_us
        assert moment.length_us <= max(1, whole.length_us * share)
