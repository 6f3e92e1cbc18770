from datetime import UTC, datetime, timedelta

import pytest

from service.domain.alert import Alert
from service.domain.window import Window
from service.jobs.lateness import Lateness
from service.jobs.records import Claim, IncidentRecord, IncidentStatus, JobStatus, Lease, LocalizationRecord, Reason

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
LATE = Lateness(over=timedelta(minutes=15), telemetry=timedelta(days=2))
OF_NOW = Window(NOW - timedelta(hours=1), NOW)


def claim(
    status: IncidentStatus = IncidentStatus.RESOLVED, waited_min: int = 20, reason: Reason = Reason.OPENED
) -> Claim:
    queued = NOW - timedelta(minutes=waited_min)
    incident = IncidentRecord("inc", "", "g", (Alert("f", queued),), queued, queued, status)
    return Claim(Lease("loc", 1), LocalizationRecord("loc", "inc", "", JobStatus.RUNNING, reason, queued), incident)


def test_what_waited_for_long_and_is_over_meanwhile_is_late() -> None:
    assert LATE.reason(claim(), OF_NOW, NOW) == "its incident was resolved, and it had waited for 1200 s"


@pytest.mark.parametrize(
    "waiting",
    [claim(IncidentStatus.OPEN), claim(waited_min=10), claim(reason=Reason.ASKED)],
    ids=["burns", "soon", "asked"],
)
def test_what_burns_or_came_soon_or_was_asked_for_is_not(waiting: Claim) -> None:
    assert LATE.reason(waiting, OF_NOW, NOW) == ""


def test_what_happened_before_all_that_is_kept_is_late_even_if_it_burns() -> None:
    long_ago = Window(NOW - timedelta(days=4), NOW - timedelta(days=3))
    assert "telemetry is kept for 2 days" in LATE.reason(claim(IncidentStatus.OPEN), long_ago, NOW)
    assert Lateness().reason(claim(IncidentStatus.OPEN), long_ago, NOW) == ""
