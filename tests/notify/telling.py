"""Answers to be told, and where they go."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from service.domain.alert import Alert
from service.jobs.records import (
    IncidentRecord,
    JobStatus,
    LocalizationRecord,
    LocalizationRef,
    Reason,
)
from service.notify.answer import answer_of
from service.notify.news import News
from service.stores.backend import Backend
from tests.patience import patient

BEGAN = datetime(2026, 3, 4, 5, 1, tzinfo=UTC)
ALERTED = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
ANSWERED = datetime(2026, 3, 4, 5, 6, 9, tzinfo=UTC)
NOW = datetime(2026, 3, 4, 5, 6, 10, tzinfo=UTC)
WINDOW = ["2026-03-04T04:56:07Z", "2026-03-04T05:06:08Z"]
LINK = "https://hypocenter.example.org/v1/localizations/loc-1"
LOOK = "https://grafana.example.org/d/pods?var-pod=cart-0&from=1"
SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
OTHER_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def proof(statement: str = "cart: p95 12 ms → 322 ms", signal: str = "traces", link: str = LOOK) -> dict[str, Any]:
    return {"signal": signal, "component": "cart", "statement": statement, "window": WINDOW, "query": "", "link": link}


def cause(
    name: str = "cart", fault: str = "cpu", confidence: float = 0.83, kind: str = "service", **more: Any
) -> dict[str, Any]:
    return {
        "rank": 1,
        "component": {"kind": kind, "name": name},
        "fault": fault,
        "confidence": confidence,
        "reason": f"{name} is slow by itself",
        "path": ["frontend", name],
        "evidence": [proof()],
        **more,
    }


def result(*causes: dict[str, Any], unresolved: bool = False, **more: Any) -> str:
    """The document as the store keeps it."""
    document = {
        "schema_version": "1",
        "id": "loc-1",
        "incident_id": "inc-1",
        "status": "done",
        "stop": "answered",
        "ranked_by": "fused",
        "model": None,
        "unresolved": unresolved,
        "causes": list(causes),
        "seconds": 1.5,
        "onset": "2026-03-04T05:01:00Z",
        "notes": [],
    }
    return json.dumps(document | more)


def incident(**more: Any) -> IncidentRecord:
    alert = Alert("f", ALERTED, None, {"alertname": "Slow", "service": "frontend"})
    refs = (LocalizationRef("loc-1", JobStatus.DONE, Reason.OPENED),)
    return replace(IncidentRecord("inc-1", "", "g", (alert,), ALERTED, ALERTED, localizations=refs), **more)


def news(*causes: dict[str, Any], attempt: int = 1, link: str = LINK, now: datetime = NOW, **more: Any) -> News:
    """An answer with these causes, or with one."""
    of = more.pop("incident", incident())
    told = result(*(causes or (cause(),)), **more)
    record = LocalizationRecord(
        "loc-1", "inc-1", "", JobStatus.DONE, Reason.OPENED, ALERTED, finished_at=ANSWERED, result=told
    )
    return News("del-1", attempt, answer_of(told), record, of, now, link)


def nothing_found(**more: Any) -> News:
    """An answer that suspects nothing."""
    told = result(unresolved=True, onset=None, **more)
    return replace(news(), answer=answer_of(told), localization=replace(news().localization, result=told))


def backend(url: str, name: str = "the webhook", **more: Any) -> Backend:
    """Whoever is at that address."""
    return Backend(name, patient(url, **more))


def secret_file(directory: Path, name: str = "secret", secret: str = SECRET) -> Path:
    file = directory / name
    file.write_text(secret + "\n")
    return file


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)
