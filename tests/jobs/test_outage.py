import asyncio
import logging
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import StoreError
from service.jobs.outage import FIRST_S, LONGEST_S, SAY_EVERY_S, Outage, pause
from tests.waiting import LIMIT_S

GONE = StoreError("store s: is gone")


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_that_it_began_and_is_over_is_said_once_however_many_ask(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock = Clock()
    outage = Outage(clock)
    for part in ("work waits", "work waits", "nothing is sent"):
        outage.failed(part, GONE)
    clock.now_s += 7
    for part in ("work waits", "work waits", "nothing is sent", "nothing is sent"):
        outage.worked(part)
    assert caplog.messages == [
        "the store cannot be used, work waits: store s: is gone",
        "the store can be used again, after 7 s",
    ]


def test_once_a_minute_it_is_said_who_suffers_and_for_how_long(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    outage = Outage(clock)
    for _ in range(130):
        outage.failed("work waits", GONE)
        outage.failed("nothing is sent", GONE)
        clock.now_s += 1
    assert caplog.messages == [
        "the store cannot be used, work waits: store s: is gone",
        "the store cannot be used for 60 s now, nothing is sent, work waits: store s: is gone",
        "the store cannot be used for 120 s now, nothing is sent, work waits: store s: is gone",
    ]


def test_it_is_not_over_while_anything_still_suffers(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    outage = Outage(Clock())
    outage.failed("work waits", GONE)
    outage.failed("nothing is sent", GONE)
    outage.worked("work waits")
    outage.worked("nothing is forgotten")
    assert "again" not in caplog.text
    outage.worked("nothing is sent")
    assert "again" in caplog.text


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abc"), st.floats(0, 40))))
def test_however_it_comes_and_goes_the_log_stays_readable_and_who_asks_waits(
    events: list[tuple[bool, str, float]],
) -> None:
    clock = Clock()
    outage, said, waits = Outage(clock), logging.getLogger("hypocenter.store"), list[float]()
    heard: list[tuple[float, str]] = []
    listener = logging.Handler()
    listener.emit = lambda record: heard.append((clock.now_s, record.levelname))
    said.addHandler(listener)
    said.setLevel(logging.INFO)
    try:
        for failed, part, later_s in events:
            if failed:
                waits.append(outage.failed(part, GONE))
            else:
                outage.worked(part)
            clock.now_s += later_s
    finally:
        said.removeHandler(listener)
        said.setLevel(logging.NOTSET)
    errors = [at for at, level in heard if level == "ERROR"]
    assert all(later - sooner >= SAY_EVERY_S for sooner, later in pairwise(errors))
    assert all(before == "ERROR" for (_, before), (_, level) in pairwise(heard) if level == "INFO")
    assert all(FIRST_S <= wait <= LONGEST_S for wait in waits)


def test_the_longer_it_lasts_the_less_often_it_is_tried() -> None:
    clock, waits = Clock(), list[float]()
    outage = Outage(clock)
    for _ in range(20):
        waits.append(outage.failed("work waits", GONE))
        clock.now_s += waits[-1]
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (FIRST_S, LONGEST_S)
    outage.worked("work waits")
    assert outage.failed("work waits", GONE) == FIRST_S


@pytest.mark.anyio
async def test_who_is_told_to_stop_waits_no_longer() -> None:
    stopping = asyncio.Event()
    waiting = asyncio.create_task(pause(stopping, 3600))
    await asyncio.sleep(0)
    stopping.set()
    await asyncio.wait_for(waiting, LIMIT_S)
