from datetime import timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from service.stores.embedded.decoded import microseconds
from service.stores.embedded.retention import Retention, expired
from service.stores.embedded.segments import Segment
from tests.telemetry_rows import NOON, at

HOUR = timedelta(hours=1)


def segment(number: int, minute: float) -> Segment:
    return Segment(number, microseconds(at(minute - 1)), microseconds(at(minute)), 1, Path(str(number)))


def test_what_is_older_than_it_may_be_goes() -> None:
    told = [(segment(1, -61), 1), (segment(2, -59), 1)]
    assert [s.number for s in expired(told, Retention(HOUR), NOON)] == [1]


def test_of_too_much_the_oldest_goes_however_it_is_numbered() -> None:
    told = [(segment(1, -1), 40), (segment(2, -30), 40), (segment(3, -10), 40)]
    assert [s.number for s in expired(told, Retention(HOUR, 100), NOON)] == [2]


@given(st.lists(st.tuples(st.integers(-100, 0), st.integers(0, 50)), max_size=20), st.integers(0, 300))
def test_what_is_left_fits_and_is_young(told: list[tuple[int, int]], most: int) -> None:
    segments = [(segment(n, minute), size) for n, (minute, size) in enumerate(told)]
    gone = set(expired(segments, Retention(HOUR, most), NOON))
    left = [(s, size) for s, size in segments if s not in gone]
    assert sum(size for _, size in left) <= most
    assert all(s.last_us >= microseconds(NOON - HOUR) for s, _ in left)
