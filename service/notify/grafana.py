import html
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import BaseModel

from service.notify.answer import Cause
from service.notify.news import News
from service.notify.wording import clipped, linkable, summary
from service.stores.backend import Backend

PATH: Final = "/api/annotations"
SHOWN_PROOFS: Final = 3
LONGEST_TAG: Final = 90
"""Grafana keeps a hundred characters."""


class _Annotation(BaseModel):
    id: int


@dataclass(frozen=True, slots=True)
class Grafana:
    """A Grafana in which the incident's window is marked on every dashboard that shows the tag ``hypocenter``.

    Its API knows no ids of ours: before a later attempt it is asked for the localization's tag, so that what arrived
    unnoticed is not marked twice. The token has to be one that may read and create annotations.
    """

    backend: Backend

    async def send(self, news: News) -> None:
        """Mark it, unless that was done. Raises `BackendError`."""
        if news.attempt > 1 and await self._tagged(news.localization.id):
            return
        await self.backend.ask("POST", PATH, json=annotation(news), retry=False)

    async def found(self) -> str:
        """Whether it lets us read annotations. Raises `BackendError`."""
        await self._tagged("hypocenter")
        return f"{self.backend.name} at {self.backend.access.shown} lets us read annotations; nothing was sent"

    async def _tagged(self, tag: str) -> list[_Annotation]:
        return await self.backend.told(list[_Annotation], "GET", PATH, params={"tags": tag, "limit": "1"})


def annotation(news: News) -> dict[str, object]:
    """The body; its text is HTML."""
    start, end = news.answer.window or (news.began_at, news.answered_at)
    return {"time": _ms(start), "timeEnd": _ms(end), "tags": list(_tags(news)), "text": "<br>".join(_lines(news))}


def _tags(news: News) -> Iterator[str]:
    yield from ("hypocenter", news.incident.id, news.localization.id)
    if news.answer.unresolved or not news.answer.causes:
        yield "unresolved"
        return
    first = news.answer.causes[0]
    yield clipped(f"service:{first.component.service}", LONGEST_TAG)
    yield f"fault:{first.fault}"


def _lines(news: News) -> Iterator[str]:
    yield f"<b>{html.escape(summary(news.answer))}</b>"
    for cause in news.answer.causes[:1]:
        yield from _told(cause)
    if linkable(news.link):
        yield _linked(news.link, "whole answer")


def _told(cause: Cause) -> Iterator[str]:
    if cause.reason:
        yield html.escape(clipped(cause.reason))
    for proof in cause.evidence[:SHOWN_PROOFS]:
        signal = _linked(proof.link, proof.signal) if linkable(proof.link) else html.escape(proof.signal)
        yield f"{signal}: {html.escape(clipped(proof.statement))}"


def _linked(address: str, word: str) -> str:
    return f'<a href="{html.escape(address)}">{html.escape(word)}</a>'


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
