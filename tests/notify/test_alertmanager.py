import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from service.jobs.records import IncidentStatus, JobStatus, LocalizationRef, Reason
from service.notify.alertmanager import KEPT_UP, Alertmanager
from service.notify.news import News
from tests.contracts.faulty import faulty, says
from tests.notify.telling import ANSWERED, LINK, NOW, backend, cause, incident, later, news, nothing_found, proof

LASTS = timedelta(hours=4)


def told(of: News, labels: Mapping[str, str] | None = None) -> tuple[dict[str, Any] | None, datetime | None]:
    """The alert that an Alertmanager is sent, and when it is to be sent again."""

    async def send() -> tuple[dict[str, Any] | None, datetime | None]:
        async with faulty(says(200)) as server:
            to = backend(server.url, "Alertmanager")
            again = await Alertmanager(to, LASTS, labels or {}).send(of)
            await to.aclose()
            return next((json.loads(asked.body)[0] for asked in server.asked), None), again

    return asyncio.run(send())


def alert_of(of: News, labels: Mapping[str, str] | None = None) -> dict[str, Any]:
    alert, _ = told(of, labels)
    assert alert is not None
    return alert


def test_the_root_cause_is_an_alert_that_is_kept_up() -> None:
    alert, again = told(news(), {"severity": "info"})
    assert alert == {
        "labels": {
            "severity": "info",
            "alertname": "HypocenterRootCause",
            "incident": "inc-1",
            "service": "cart",
            "fault": "cpu",
        },
        "annotations": {
            "summary": "cart: cpu (83%)",
            "reason": "cart is slow by itself",
            "evidence": "traces: cart: p95 12 ms → 322 ms",
            "link": LINK,
        },
        "startsAt": "2026-03-04T05:01:00Z",
        "endsAt": "2026-03-04T05:10:10Z",
        "generatorURL": LINK,
    }
    assert again == NOW + KEPT_UP


def test_it_ends_when_its_incident_is_resolved() -> None:
    alert, again = told(news(incident=incident(status=IncidentStatus.RESOLVED), now=later(60)))
    assert (alert or {})["endsAt"] == "2026-03-04T05:07:10Z"
    assert again is None


def test_it_ends_after_a_bound() -> None:
    last = ANSWERED + LASTS
    alert, again = told(news(now=last - timedelta(seconds=10)))
    assert ((alert or {})["endsAt"], again) == ("2026-03-04T09:06:09Z", last)
    alert, again = told(news(now=last))
    assert ((alert or {})["endsAt"], again) == ("2026-03-04T09:06:09Z", None)


def test_a_later_answer_takes_over_and_the_earlier_ends_by_itself() -> None:
    def with_later(status: JobStatus, reason: Reason) -> News:
        refs = (*incident().localizations, LocalizationRef("loc-2", status, reason))
        return news(incident=incident(localizations=refs))

    assert told(with_later(JobStatus.DONE, Reason.GROWN)) == (None, None)
    assert told(with_later(JobStatus.RUNNING, Reason.GROWN))[1] is not None
    assert told(with_later(JobStatus.DONE, Reason.ASKED))[1] is not None


def test_that_no_cause_stands_out_accuses_nobody() -> None:
    for of in (news(unresolved=True), nothing_found()):
        alert = alert_of(of)
        assert set(alert["labels"]) == {"alertname", "incident"}
        assert alert["annotations"]["summary"].startswith("No cause stands out")


def test_annotations_call_nobody() -> None:
    alert = alert_of(news(cause(reason="<!channel>", evidence=[proof("<@U1> up")])))
    assert alert["annotations"]["reason"] == "‹!channel›"
    assert "<" not in alert["annotations"]["evidence"]


def test_an_alert_never_ends_before_it_starts() -> None:
    late = news().answer.model_copy(update={"onset": NOW + timedelta(hours=1)})
    alert = alert_of(replace(news(), answer=late))
    assert alert["startsAt"] < alert["endsAt"]
