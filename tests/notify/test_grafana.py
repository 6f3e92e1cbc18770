import asyncio
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.errors import BackendError
from service.notify.grafana import Grafana, annotation
from service.notify.news import News
from tests.contracts.faulty import Asked, Behaviour, faulty, says
from tests.notify.telling import LINK, backend, cause, news, nothing_found, proof, secret_file

TOKEN = "glsa_planted"


def marked(told: News, behave: Behaviour, token: Path) -> list[Asked]:
    """What a Grafana that behaves so is asked."""

    async def send() -> list[Asked]:
        async with faulty(behave) as server:
            to = backend(server.url + "/grafana", "Grafana", bearer_file=token)
            try:
                await Grafana(to).send(told)
            finally:
                await to.aclose()
            return server.asked

    return asyncio.run(send())


def body(told: News) -> dict[str, Any]:
    return json.loads(json.dumps(annotation(told)))


def test_the_incidents_window_is_marked_with_its_cause(tmp_path: Path) -> None:
    created = says(200, b'{"id": 1, "message": "Annotation added"}')
    (taken,) = marked(news(), created, secret_file(tmp_path, secret=TOKEN))
    told = json.loads(taken.body)
    assert (taken.target, taken.headers["authorization"]) == ("/grafana/api/annotations", f"Bearer {TOKEN}")
    assert (told["time"], told["timeEnd"]) == (1772600167000, 1772600768000)  # 04:56:07 to 05:06:08
    assert told["tags"] == ["hypocenter", "inc-1", "loc-1", "service:cart", "fault:cpu"]
    assert told["text"].startswith("<b>cart: cpu (83%)</b><br>cart is slow by itself<br>")
    assert f'<a href="{LINK}">whole answer</a>' in told["text"]


def test_what_arrived_unnoticed_is_not_marked_twice(tmp_path: Path) -> None:
    token = secret_file(tmp_path, secret=TOKEN)
    (found,) = marked(news(attempt=2), says(200, b'[{"id": 1}]'), token)
    assert found.target == "/grafana/api/annotations?tags=loc-1&limit=1"


def test_what_did_not_arrive_is_marked_by_a_later_attempt(tmp_path: Path) -> None:
    none = says(200, b"[]")
    asked = marked(news(attempt=2), none, secret_file(tmp_path, secret=TOKEN))
    assert [json.loads(a.body)["tags"][2] for a in asked if a.body] == ["loc-1"]


def test_that_no_cause_stands_out_is_marked_so() -> None:
    unsure = body(news(cause(confidence=0.31), unresolved=True))
    assert unsure["text"].startswith("<b>No cause stands out; the most suspect is cart: cpu (31%)</b>")
    assert unsure["tags"] == ["hypocenter", "inc-1", "loc-1", "unresolved"]
    none = body(nothing_found())
    assert none["text"].startswith("<b>No cause stands out, and nothing is suspect</b>")
    assert (none["time"], none["timeEnd"]) == (1772600767000, 1772600769000)  # the alert until the answer


def test_telemetry_writes_no_html() -> None:
    stranger = "<img src=x onerror=alert(1)><a href='https://evil.example'>"
    told = replace(news(cause(stranger, evidence=[proof(stranger, link='https://x/"><b>')])), link="")
    assert "<" not in re.sub("</?b>|<br>", "", body(told)["text"])


def test_of_calls_the_callee_is_tagged() -> None:
    assert "service:cart" in body(news(cause("checkout->cart", kind="edge")))["tags"]


def test_a_refused_token_is_told_without_telling_it(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="refuses us") as caught:
        marked(news(), says(401), secret_file(tmp_path, secret=TOKEN))
    assert TOKEN not in str(caught.value)


def test_whether_it_can_be_asked_is_found_out_without_marking_anything(tmp_path: Path) -> None:
    async def looked_at() -> tuple[str, list[Asked]]:
        async with faulty(says(200, b"[]")) as server:
            to = backend(server.url, "Grafana", bearer_file=secret_file(tmp_path, secret=TOKEN))
            told = await Grafana(to).found()
            await to.aclose()
            return told, server.asked

    told, (asked,) = asyncio.run(looked_at())
    assert "lets us read annotations" in told
    assert (asked.target, asked.body) == ("/api/annotations?tags=hypocenter&limit=1", b"")
