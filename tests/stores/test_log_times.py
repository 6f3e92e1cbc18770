from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from service.stores.embedded.decoded import microseconds
from service.stores.log_times import microseconds_of, nanosecond_text

SECOND_US = microseconds(datetime(2026, 11, 22, 7, 36, 41, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2026-11-22T07:36:41Z", 0),
        ("2026-11-22T07:36:41.5Z", 500_000),
        ("2026-11-22T07:36:41.140707652Z", 140_707),
        ("2026-11-22T09:36:41.000001+02:00", 1),
        ("2026-11-22T02:06:41,25-0530", 250_000),
    ],
)
def test_times_of_every_precision_and_zone_are_read(text: str, found: int) -> None:
    assert microseconds_of(text) == SECOND_US + found


@pytest.mark.parametrize(
    "text",
    ["", "now", "2026-11-22", "2026-13-22T07:36:41Z", "2026-11-22T07:36:41", "0001-01-01T00:00:00Z", "1795348800"],
)
def test_what_is_no_time_of_telemetry_is_none(text: str) -> None:
    assert microseconds_of(text) is None


@given(some.datetimes(datetime(1971, 1, 1), datetime(2190, 1, 1), timezones=some.just(UTC)), some.booleans())
def test_what_is_written_is_read_again(moment: datetime, last: bool) -> None:
    assert microseconds_of(nanosecond_text(moment, last=last)) == microseconds(moment)


def test_the_last_nanosecond_of_a_microsecond_belongs_to_it() -> None:
    moment = datetime(2026, 11, 22, tzinfo=UTC) + timedelta(microseconds=7)
    assert nanosecond_text(moment, last=True) == "2026-11-22T00:00:00.000007999Z"
