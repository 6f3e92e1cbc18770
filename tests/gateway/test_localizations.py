import asyncio
import json
from typing import Any

import httpx
import pytest

from service.gateway.context import Gateway
from service.jobs.sqlite import SqliteStore
from service.jobs.store import QUEUE
from tests.gateway.conftest import STEPS, Answer, Body, alertmanager_body, streamed
from tests.gateway.test_alerts import assert_problem
from tests.waiting import LIMIT_S

pytestmark = pytest.mark.anyio

WINDOW = {"start": "2026-03-04T05:00:00Z", "end": "2026-03-04T05:30:00Z"}


async def posted(client: httpx.AsyncClient, *services: str) -> str:
    response = await client.post("/v1/alerts", json=alertmanager_body(*services))
    return response.json()["localization_id"]


def events_of(text: str) -> list[dict[str, str]]:
    """The events of a stream, as the fields that each has; comments left out."""
    blocks = [block.splitlines() for block in text.split("\n\n") if block and not block.startswith(":")]
    return [dict(line.split(": ", 1) for line in block) for block in blocks]


async def test_an_answer_can_be_waited_for(client: httpx.AsyncClient, answer_next: Answer) -> None:
    id_ = await posted(client, "cart")
    queued = (await client.get(f"/v1/localizations/{id_}")).json()
    assert (queued["status"], queued["causes"]) == ("queued", [])
    waiting = asyncio.create_task(client.get(f"/v1/localizations/{id_}", params={"wait_s": LIMIT_S}))
    await asyncio.sleep(0)
    await answer_next()
    answer = (await waiting).json()
    assert (answer["status"], answer["causes"][0]["component"]["name"]) == ("done", "cart-1")


async def test_waiting_ends_with_what_is_known_by_then(client: httpx.AsyncClient) -> None:
    id_ = await posted(client, "cart")
    assert (await client.get(f"/v1/localizations/{id_}", params={"wait_s": 0.05})).json()["status"] == "queued"


@pytest.mark.parametrize("wait_s", ["-1", "nan", "inf", "soon"])
async def test_a_wait_that_cannot_be_meant_is_refused(client: httpx.AsyncClient, wait_s: str) -> None:
    assert "wait_s" in assert_problem(await client.get("/v1/localizations/x", params={"wait_s": wait_s}), 422)


async def test_a_question_about_a_window_is_queued(client: httpx.AsyncClient, answer_next: Answer) -> None:
    body = {"component": {"kind": "service", "name": "cart"}, "window": WINDOW, "deadline_s": 2.5}
    response = await client.post("/v1/localizations", json=body)
    assert response.status_code == 202
    assert response.headers["location"] == f"/v1/localizations/{response.json()['id']}"
    claim = await answer_next()
    assert (claim.localization.deadline_s, claim.incident.services) == (2.5, {"cart"})
    assert claim.incident.window is not None


async def test_a_question_with_alerts_may_be_a_whole_webhook_body(
    client: httpx.AsyncClient, store: SqliteStore, answer_next: Answer
) -> None:
    with store.watch(QUEUE) as queue:
        asking = asyncio.create_task(
            client.post("/v1/localizations", params={"wait_s": LIMIT_S}, json=alertmanager_body("cart"))
        )
        await queue.next(LIMIT_S)
    await answer_next()
    response = await asking
    assert (response.status_code, response.json()["status"]) == (200, "done")


QUESTIONS: list[tuple[Any, str]] = [
    ([], "object"),
    ({}, "component"),
    ({"component": "cart"}, "window"),
    ({"alerts": [], "component": "cart"}, "one or the other"),
    ({"alerts": []}, "alerts"),
    ({"alerts": [{"labels": {}}]}, "startsAt"),
    ({"component": "cart", "window": {"start": WINDOW["end"], "end": WINDOW["start"]}}, "window"),
    ({"component": "cart", "window": {"start": WINDOW["start"], "end": "2026-03-24T05:30:00Z"}}, "day"),
    ({"component": "cart", "window": {"start": "2196-03-04T05:30:00Z", "end": "2196-03-04T06:30:00Z"}}, "future"),
    ({"component": "cart", "window": {"start": "1004-03-04T05:30:00Z", "end": WINDOW["end"]}}, "year 1004"),
    ({"component": "cart", "window": {"start": "0001-01-01T00:00:00+14:00", "end": WINDOW["end"]}}, "window"),
    ({"component": "cart", "window": {"start": "2026-03-04T05:30:00", "end": WINDOW["end"]}}, "window.start"),
    ({"component": {"kind": "planet", "name": "x"}, "window": WINDOW}, "component.kind"),
    ({"component": "cart", "window": WINDOW, "deadline_s": -1}, "deadline_s"),
    ({"component": "cart", "window": WINDOW, "deadlines": 1}, "deadlines"),
]


@pytest.mark.parametrize(("body", "named"), QUESTIONS)
async def test_a_question_that_cannot_be_meant_is_refused(client: httpx.AsyncClient, body: Any, named: str) -> None:
    assert named in assert_problem(await client.post("/v1/localizations", json=body), 422)


async def test_events_replay_every_step_and_the_end(client: httpx.AsyncClient, answer_next: Answer) -> None:
    id_ = await posted(client, "cart")
    await answer_next()
    response = await client.get(f"/v1/localizations/{id_}/events")
    assert response.headers["content-type"].startswith("text/event-stream")
    events = events_of(response.text)
    assert [event["id"] for event in events] == ["0", "1", "2", "3"]
    assert [event["event"] for event in events] == ["step", "step", "step", "end"]
    assert json.loads(events[-1]["data"])["status"] == "done"


async def test_events_go_on_after_the_last_one_seen(client: httpx.AsyncClient, answer_next: Answer) -> None:
    id_ = await posted(client, "cart")
    await answer_next()
    response = await client.get(f"/v1/localizations/{id_}/events", headers={"Last-Event-ID": "1"})
    assert [event["id"] for event in events_of(response.text)] == ["2", "3"]


async def test_a_client_that_has_seen_the_end_is_told_to_stop(client: httpx.AsyncClient, answer_next: Answer) -> None:
    id_ = await posted(client, "cart")
    await answer_next()
    response = await client.get(f"/v1/localizations/{id_}/events", headers={"Last-Event-ID": str(len(STEPS))})
    assert (response.status_code, response.content) == (204, b"")


async def test_events_are_live_with_heartbeats_until_the_end(
    client: httpx.AsyncClient, gateway: Gateway, answer_next: Answer
) -> None:
    id_ = await posted(client, "cart")
    received: list[str] = []
    async with streamed(gateway, f"/v1/localizations/{id_}/events") as lines:
        async for line in lines:
            if line == ": still here" and line not in received:
                await answer_next()
            received.append(line)
    assert ": still here" in received
    assert [event["id"] for event in events_of("\n".join(received))] == ["0", "1", "2", "3"]


async def test_events_end_when_the_process_stops(client: httpx.AsyncClient, gateway: Gateway) -> None:
    id_ = await posted(client, "cart")
    gateway.stopping.set()
    assert (await client.get(f"/v1/localizations/{id_}/events")).text == ""


@pytest.mark.parametrize("seen", ["x", "-1", "1.5", "9" * 20, "²"])
async def test_a_last_event_id_that_is_none_is_refused(client: httpx.AsyncClient, seen: str) -> None:
    headers = [(b"Last-Event-ID", seen.encode())]
    assert_problem(await client.get("/v1/localizations/x/events", headers=headers), 422)


async def test_a_cancelled_localization_is_not_worked_on(client: httpx.AsyncClient) -> None:
    id_ = await posted(client, "cart")
    for _ in range(2):
        cancelled = (await client.delete(f"/v1/localizations/{id_}")).json()
        assert (cancelled["status"], cancelled["stop"]) == ("cancelled", "cancelled")


async def test_what_has_ended_cannot_be_cancelled(client: httpx.AsyncClient, answer_next: Answer) -> None:
    id_ = await posted(client, "cart")
    await answer_next()
    assert_problem(await client.delete(f"/v1/localizations/{id_}"), 409)


async def test_the_transcript_is_there_with_the_answer(client: httpx.AsyncClient, answer_next: Answer) -> None:
    id_ = await posted(client, "cart")
    assert "queued" in assert_problem(await client.get(f"/v1/localizations/{id_}/transcript"), 404)
    await answer_next()
    assert (await client.get(f"/v1/localizations/{id_}/transcript")).json() == {"schema_version": "1", "frames": []}


async def test_a_verdict_is_graded_at_once_and_kept(client: httpx.AsyncClient, answer_next: Answer) -> None:
    id_ = await posted(client, "cart")
    await answer_next()
    told: Body = {"causes": [{"component": {"kind": "service", "name": "cart"}, "fault": "cpu"}], "note": "a loop"}
    graded = (await client.put(f"/v1/localizations/{id_}/verdict", json=told)).json()
    assert (graded["grade"]["rank"], graded["grade"]["right_at_1"], graded["grade"]["fault_right"]) == (1, True, True)
    second = (await client.put(f"/v1/localizations/{id_}/verdict", json={"causes": [{"name": "pay"}]})).json()
    assert (second["grade"]["rank"], second["grade"]["right_at_1"]) == (2, False)
    assert (await client.get(f"/v1/localizations/{id_}/verdict")).json() == second


async def test_what_a_verdict_repeats_is_printable(client: httpx.AsyncClient, answer_next: Answer) -> None:
    id_ = await posted(client, "cart")
    await answer_next()
    sent: Body = {"causes": [{"name": "ca\u202ert"}], "note": "a \x9bloop\r\nand more"}
    verdict = (await client.put(f"/v1/localizations/{id_}/verdict", json=sent)).json()["verdict"]
    assert (verdict["causes"][0]["name"], verdict["note"]) == ("ca\ufffdrt", "a \ufffdloop\nand more")


async def test_a_verdict_without_causes_says_that_nothing_was_wrong(
    client: httpx.AsyncClient, answer_next: Answer
) -> None:
    id_ = await posted(client, "cart")
    await answer_next()
    graded = (await client.put(f"/v1/localizations/{id_}/verdict", json={"causes": []})).json()
    assert (graded["grade"]["rank"], graded["grade"]["false_cause"]) == (None, True)


async def test_there_is_nothing_to_grade_before_the_answer(client: httpx.AsyncClient) -> None:
    id_ = await posted(client, "cart")
    assert_problem(await client.put(f"/v1/localizations/{id_}/verdict", json={"causes": []}), 409)


VERDICTS: list[Any] = [
    [],
    {},
    {"causes": [{"name": ""}]},
    {"causes": [{"name": "a", "fault": "gremlins"}]},
    {"causes": [], "schema_version": "2"},
]


@pytest.mark.parametrize("body", VERDICTS)
async def test_a_verdict_that_is_none_is_refused(client: httpx.AsyncClient, body: Any) -> None:
    assert_problem(await client.put("/v1/localizations/x/verdict", json=body), 422)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/localizations/none"),
        ("GET", "/v1/localizations/none?wait_s=20"),
        ("DELETE", "/v1/localizations/none"),
        ("GET", "/v1/localizations/none/events"),
        ("GET", "/v1/localizations/none/transcript"),
        ("GET", "/v1/localizations/none/verdict"),
        ("GET", "/v1/incidents/none"),
        ("GET", "/v1/nothing"),
        ("GET", "/"),
    ],
)
async def test_what_is_not_there_is_a_404(client: httpx.AsyncClient, method: str, path: str) -> None:
    assert_problem(await client.request(method, path), 404)
