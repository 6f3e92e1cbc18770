import asyncio
import json
import re
from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.alert import Alert
from service.notify.hook import Hook
from service.notify.news import News
from service.notify.slack import LONGEST_SECTION, Slack, code, message
from service.text import is_printable
from tests import strangers
from tests.contracts.faulty import faulty, says
from tests.notify.telling import ALERTED, LINK, LOOK, backend, cause, incident, news, nothing_found, proof

OURS = re.compile(r"<(https?://[^<>|\s]+)\|(traces|metrics|logs|changes|whole answer)>")
"""The only marks that Slack may find: our own words, leading where our settings say."""
HOSTILE = [
    "<!channel> wake up",
    "<!everyone>",
    "<@U012ABCDEF>",
    "<https://evil.example/login|log in>",
    "`<!here>`",
    "``` <!channel> ```",
    "@channel @all @here",
    "[log in](https://evil.example)",
    "https://evil.example/",
    "*bold* _it_ ~gone~ :rotating_light:",
    "&lt;!channel&gt;",
    "\n> quoted\n```",
    "\x1b[2J \u202e \u3164",
]


def text(told: News) -> str:
    return cast("str", message(told)["text"])


def sections(told: News) -> list[str]:
    blocks = cast("list[dict[str, Any]]", message(told)["blocks"])
    return [block["text"]["text"] for block in blocks]


def outside_code(shown: str) -> str:
    """What remains to be looked at for marks where text between backticks is only text."""
    assert all(line.count("`") % 2 == 0 for line in shown.split("\n"))
    return re.sub(r"`[^`\n]*`", "", shown)


def hostile_news(stranger: str) -> News:
    everywhere = cause(stranger, reason=stranger, path=[stranger, stranger], evidence=[proof(stranger)])
    alert = Alert("f", ALERTED, None, {"alertname": stranger, "service": stranger})
    return news(everywhere, everywhere, notes=[stranger], incident=incident(alerts=(alert,)))


def test_the_cause_comes_first_then_what_proves_it() -> None:
    lines = text(news(cause(), cause("db", "slow", 0.02))).split("\n")
    assert lines == [
        "*Most likely cause:* `cart` *cpu* (83%)",
        "`cart is slow by itself`",
        "path `frontend → cart`",
        f"• <{LOOK.replace('&', '&amp;')}|traces> `cart: p95 12 ms → 322 ms`",
        "2. `db` *slow* (2%)",
        "`db is slow by itself`",
        f"• <{LOOK.replace('&', '&amp;')}|traces> `cart: p95 12 ms → 322 ms`",
        f"alerts: `Slow` of `frontend`; began about 2026-03-04 05:01:00 UTC; <{LINK}|whole answer>",
    ]


def test_it_is_said_honestly_that_no_cause_stands_out() -> None:
    unsure = text(news(cause(confidence=0.31), unresolved=True)).split("\n")
    assert unsure[:2] == ["*No cause stands out.* Most suspect, none of them sure:", "1. `cart` *cpu* (31%)"]
    none = text(nothing_found(notes=["logs: Loki did not answer within 8 s"])).split("\n")
    assert none[0] == "*No cause stands out*, and nothing is suspect"
    assert none[1] == "missing: `logs: Loki did not answer within 8 s`"


def test_the_blocks_say_what_the_text_says() -> None:
    told = news(cause(), cause("db"))
    assert "\n".join(sections(told)) == text(told)


@pytest.mark.parametrize("stranger", HOSTILE)
def test_nothing_of_telemetry_is_a_mention_or_a_link(stranger: str) -> None:
    shown = text(hostile_news(stranger))
    rest = OURS.sub("", outside_code(shown))
    assert not re.search(r"[<>@\[]|https?:|channel|evil", rest)
    assert not re.search("[<>]", OURS.sub("", shown))


@given(st.text(max_size=400) | strangers.HOSTILE.map(lambda text: text.replace("\ud800", "")))
def test_whatever_a_stranger_writes_stays_text_and_is_not_too_long(stranger: str) -> None:
    told = hostile_news(stranger)
    assert set(OURS.sub("", outside_code(text(told)))) <= set(text(hostile_news("x")) + "0123456789")
    assert all(len(shown) <= LONGEST_SECTION for shown in sections(told))
    assert [line for line in text(told).split("\n") if not is_printable(line)] == []


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "https://x/<!channel>", "https://x/|y", "", "https://x/" * 400]
)
def test_an_address_that_is_none_is_no_link(link: str) -> None:
    told = replace(news(cause(evidence=[proof(link=link)])), link="")
    assert "• traces `" in text(told)
    assert text(told).endswith("; loc-1")


def test_a_long_text_is_cut_off() -> None:
    assert code("x" * 1000) == f"`{'x' * 199}…`"


def test_a_channel_takes_the_message() -> None:
    async def posted() -> tuple[str, object]:
        async with faulty(says(200, b"ok")) as server:
            to = backend(server.url + "/services/T/B/x", "Slack")
            await Slack(Hook(to)).send(news())
            await to.aclose()
            (taken,) = server.asked
            return taken.headers["content-type"], json.loads(taken.body)

    assert asyncio.run(posted()) == ("application/json", json.loads(json.dumps(message(news()))))
