"""An answer as a message of Slack's incoming webhooks, which Mattermost takes too: the cause first, then its proof.

Whatever comes from telemetry stands between backticks, where neither of them looks for mentions, links or emoji.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from service.notify.answer import Answer, Cause, Proof
from service.notify.hook import Hook
from service.notify.news import News
from service.notify.wording import NOTHING_STANDS_OUT, clipped, linkable, share

SHOWN_CAUSES: Final = 3
SHOWN_PROOFS: Final = 3
"""Of the first cause; the others are told by one each."""
SHOWN_ALERTS: Final = 3
LONGEST_NAME: Final = 80
LONGEST_SECTION: Final = 3000
"""Slack refuses longer ones."""
LONGEST_LINK: Final = 1500

_ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "`": "'"})


@dataclass(frozen=True, slots=True)
class Slack:
    """A channel behind an incoming webhook. It knows no ids: what was sent twice is seen twice."""

    hook: Hook

    async def send(self, news: News) -> None:
        """Post it. Raises `BackendError`."""
        await self.hook.post(json.dumps(message(news)).encode())

    async def found(self) -> str:
        """Whether connections are taken there. Raises `BackendError`."""
        return await self.hook.found()


def message(news: News) -> dict[str, object]:
    """The body. Who shows no blocks, as Mattermost, or only a notification, shows ``text``: it says the same."""
    lines = list(_lines(news))
    return {
        "text": "\n".join(lines),
        "blocks": [_section(text) for text in _sections(lines)],
        "unfurl_links": False,
        "unfurl_media": False,
    }


def _lines(news: News) -> Iterator[str]:
    answer = news.answer
    yield _lead(answer)
    for place, cause in enumerate(answer.causes[:SHOWN_CAUSES], start=1):
        if place > 1 or answer.unresolved:
            yield f"{place}. {_named(cause)}"
        if cause.reason:
            yield code(cause.reason)
        if place == 1 and len(cause.path) > 1:
            yield f"path {code(' → '.join(cause.path))}"
        yield from map(_proof, cause.evidence[: SHOWN_PROOFS if place == 1 else 1])
    yield from (f"missing: {code(note)}" for note in answer.notes[:SHOWN_PROOFS])
    yield _footer(news)


def _lead(answer: Answer) -> str:
    if not answer.causes:
        return f"*{NOTHING_STANDS_OUT}*, and nothing is suspect"
    if answer.unresolved:
        return f"*{NOTHING_STANDS_OUT}.* Most suspect, none of them sure:"
    return f"*Most likely cause:* {_named(answer.causes[0])}"


def _named(cause: Cause) -> str:
    return f"{code(cause.component.name, LONGEST_NAME)} *{_plain(cause.fault)}* ({share(cause.confidence)})"


def _proof(proof: Proof) -> str:
    return f"• {_linked(proof.link, proof.signal)} {code(proof.statement)}"


def _footer(news: News) -> str:
    alerts = news.incident.alerts
    names = [
        f"{code(a.labels.get('alertname', 'alert'), LONGEST_NAME)} of {code(a.service, LONGEST_NAME)}"
        for a in alerts[:SHOWN_ALERTS]
    ]
    more = [f"{len(alerts) - SHOWN_ALERTS} more"] if len(alerts) > SHOWN_ALERTS else []
    about = f"alerts: {', '.join(names + more)}; began about {news.began_at:%Y-%m-%d %H:%M:%S} UTC"
    return f"{about}; {_linked(news.link, 'whole answer')}" if news.link else f"{about}; {news.localization.id}"


def code(text: str, longest: int = 200) -> str:
    """A stranger's text where it is only text."""
    return f"`{_plain(clipped(text, longest)) or ' '}`"


def _plain(text: str) -> str:
    return text.translate(_ESCAPED)


def _linked(address: str, word: str) -> str:
    """Our own word, leading to an address if that is one."""
    target = _plain(address)
    return f"<{target}|{word}>" if linkable(address) and len(target) <= LONGEST_LINK else word


def _sections(lines: list[str]) -> Iterator[str]:
    """The lines in as few texts as Slack takes."""
    text = ""
    for line in lines:
        if text and len(text) + 1 + len(line) > LONGEST_SECTION:
            yield text
            text = ""
        text = f"{text}\n{line}" if text else line
    yield text


def _section(text: str) -> dict[str, object]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}
