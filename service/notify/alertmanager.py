from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from pydantic import BaseModel, Field

from service.domain.alert import ROOT_CAUSE
from service.domain.window import rfc3339
from service.jobs.records import IncidentStatus, JobStatus, Reason
from service.notify.news import News
from service.notify.wording import clipped, linkable, summary
from service.stores.backend import Backend

KEPT_UP: Final = timedelta(minutes=1)
"""How often an alert is told that goes on, as Prometheus does."""
HELD: Final = 4 * KEPT_UP
"""After how long it ends if nobody tells it any more."""
RETRIED: Final = KEPT_UP / 2
"""How long a failure waits at most: an alert lives through a few."""
SHOWN_PROOFS: Final = 5

_UNMARKED = str.maketrans("<>", "‹›")
"""Templates of receivers write annotations as they are into messages, where ``<!channel>`` would call everybody."""


class _Version(BaseModel):
    version: str = ""


class _Status(BaseModel):
    version_info: _Version = Field(default_factory=_Version, alias="versionInfo")


@dataclass(frozen=True, slots=True)
class Alertmanager:
    """An Alertmanager among whose alerts the root cause stands, until its incident is resolved, ``lasts`` after the
    answer at the latest. Where several share the work each is a target of its own: they do not tell each other alerts.

    The alert is told again and again while it lasts; the same labels are the same alert. ``labels`` are more of them,
    to route it by.
    """

    backend: Backend
    lasts: timedelta = timedelta(hours=4)
    labels: Mapping[str, str] = field(default_factory=dict[str, str])

    async def send(self, news: News) -> datetime | None:
        """Tell it, and when to tell it again. Raises `BackendError`."""
        if _superseded(news):
            return None
        until = min(news.now + HELD, news.answered_at + self.lasts)
        ended = news.incident.status is IncidentStatus.RESOLVED or until <= news.now
        alert = self.alert(news, news.now if ended else until)
        await self.backend.ask("POST", "/api/v2/alerts", json=[alert], retry=False)
        return None if ended else min(news.now + KEPT_UP, until)

    async def found(self) -> str:
        """Which version it is. Raises `BackendError`."""
        status = await self.backend.told(_Status, "GET", "/api/v2/status")
        version = clipped(status.version_info.version, 40)
        return f"{self.backend.name} {version} at {self.backend.access.shown}; nothing was sent"

    def alert(self, news: News, ends_at: datetime) -> Mapping[str, object]:
        """The alert that ends then unless it is told again."""
        told: dict[str, object] = {
            "labels": {**self.labels, **dict(_labels(news))},
            "annotations": {name: text.translate(_UNMARKED) for name, text in _annotations(news)},
            "startsAt": rfc3339(news.began_at),
            "endsAt": rfc3339(ends_at),
        }
        return {**told, "generatorURL": news.link} if linkable(news.link) else told


def _superseded(news: News) -> bool:
    """Whether the incident has a later answer: its alert takes over, and this one ends by itself."""
    ids = [ref.id for ref in news.incident.localizations]
    later = news.incident.localizations[ids.index(news.localization.id) + 1 :] if news.localization.id in ids else ()
    return any(ref.status is JobStatus.DONE and ref.reason is not Reason.ASKED for ref in later)


def _labels(news: News) -> Iterator[tuple[str, str]]:
    yield "alertname", ROOT_CAUSE
    yield "incident", news.incident.id
    if news.answer.causes and not news.answer.unresolved:
        yield "service", news.answer.causes[0].component.service
        yield "fault", news.answer.causes[0].fault


def _annotations(news: News) -> Iterator[tuple[str, str]]:
    yield "summary", summary(news.answer)
    for cause in news.answer.causes[:1]:
        yield "reason", clipped(cause.reason)
        proofs = cause.evidence[:SHOWN_PROOFS]
        yield "evidence", "\n".join(f"{proof.signal}: {clipped(proof.statement)}" for proof in proofs)
    if news.link:
        yield "link", news.link
