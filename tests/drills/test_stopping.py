import contextlib
import signal
import sqlite3
from pathlib import Path

import pytest

from tests.drills.client import Log, Senders
from tests.drills.findings import findings
from tests.drills.receiver import receiving
from tests.drills.site import Site
from tests.drills.storm import storm


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_who_is_told_to_stop_in_a_storm_holds_nothing_any_more_and_others_go_on_with_it(tmp_path: Path) -> None:
    with receiving() as told:
        site, log = Site(tmp_path, told.url), Log()
        try:
            site.start()
            Senders(list(storm(7, count=60, groups=20)), site.urls, log).hurry()
            assert [part.end(signal.SIGTERM) for part in site.ours] == [0, 0]
            with contextlib.closing(sqlite3.connect(tmp_path / "store.sqlite")) as store:
                statuses = dict(store.execute("SELECT status, count(*) FROM localizations GROUP BY status").fetchall())
            assert statuses.keys() <= {"queued", "done"}
            assert statuses["queued"] > 0
            for part in site.ours:
                part.start()
            site.wait_until_ready()
            found = findings(site.urls[0], log, told)
            assert (found.lost, found.doubled) == ((), ())
        finally:
            site.clear_away()
