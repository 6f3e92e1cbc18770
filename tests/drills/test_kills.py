import logging
import os
from pathlib import Path

import pytest

from tests.drills.drill import Plan, run
from tests.redis_servers import program

SEED = int(os.environ.get("DRILL_SEED", "1"))
"""Of the drills that are held with every run; `make drills` holds others."""


def say(line: str) -> None:
    logging.getLogger(__name__).warning(line)


def hold(plan: Plan, directory: Path) -> None:
    say(f"DRILL_SEED={plan.seed} repeats this drill")
    log, found = run(plan, directory, say)
    assert log.webhooks == plan.webhooks
    assert (found.lost, found.doubled) == ((), ())
    assert set(found.localizations) <= {"done", "dropped"}


@pytest.mark.timeout(600)
def test_whoever_is_killed_no_alert_is_lost_and_none_answered_twice_with_a_file(tmp_path: Path) -> None:
    hold(Plan(SEED), tmp_path)


@pytest.mark.slow  # nine starts of processes more
@pytest.mark.timeout(600)
def test_whoever_is_killed_no_alert_is_lost_and_none_answered_twice_with_a_server(tmp_path: Path) -> None:
    program("redis")
    hold(Plan(SEED, on_redis=True), tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("on_redis", [False, True], ids=["file", "server"])
def test_a_storm_of_thousands_in_which_everybody_is_killed_several_times(tmp_path: Path, on_redis: bool) -> None:
    program("redis")
    hold(Plan(SEED, webhooks=5000, groups=60, kills=3, on_redis=on_redis), tmp_path)
