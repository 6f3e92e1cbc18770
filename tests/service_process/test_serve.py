import contextlib
import json
import signal
import sqlite3
from collections.abc import Callable, Collection
from functools import partial

import httpx

from tests.gateway.conftest import alertmanager_body
from tests.service_process.conftest import PATIENCE_S, Server
from tests.waiting import wait_until

MOMENTS = (set[str](), {"queued"}, {"queued", "running"})
"""In one of which the first localization is no more when the server is killed: at once, while it runs, once it is over.
At moments that chance chooses, `tests.drills` kills.
"""


def test_an_acknowledged_alert_survives_being_killed_and_is_answered_once(make_server: Callable[[], Server]) -> None:
    server = make_server()
    acknowledged: list[str] = []
    for n, before in enumerate(MOMENTS):
        for k in range(2):
            body = alertmanager_body(f"s{n}-{k}") | {"groupKey": f"g{n}-{k}"}
            response = server.post("/v1/alerts", body)
            assert response.status_code == 202
            acknowledged.append(response.json()["localization_id"])
        wait_until(partial(is_beyond, server, acknowledged[-2], before), server.log.read_text)
        assert server.end(signal.SIGKILL) == -signal.SIGKILL
        server.start()
    assert [server.ended(id_)["status"] for id_ in acknowledged] == ["done"] * len(acknowledged)
    assert server.end(signal.SIGTERM) == 0
    with contextlib.closing(sqlite3.connect(server.store)) as store:
        rows = store.execute("SELECT id, status, result FROM localizations").fetchall()
    assert sorted(row[0] for row in rows) == sorted(acknowledged)
    for id_, status, result in rows:
        assert (status, json.loads(result)["id"]) == ("done", id_)


def is_beyond(server: Server, id_: str, statuses: Collection[str]) -> bool:
    return server.get(f"/v1/localizations/{id_}").json()["status"] not in statuses


def test_the_same_alert_after_a_kill_finds_its_incident(make_server: Callable[[], Server]) -> None:
    server = make_server()
    before = server.post("/v1/alerts", alertmanager_body("cart")).json()
    server.end(signal.SIGKILL)
    server.start()
    after = server.post("/v1/alerts", alertmanager_body("cart")).json()
    assert after["localization_id"] == before["localization_id"]


def test_steps_are_streamed_while_they_are_made_and_every_one_arrives_once(make_server: Callable[[], Server]) -> None:
    server = make_server()
    id_ = server.post("/v1/alerts", alertmanager_body("cart")).json()["localization_id"]
    ids: list[int] = []
    kinds: list[str] = []
    headers: dict[str, str] = {}
    while not kinds or kinds[-1] != "end":
        url = f"{server.url}/v1/localizations/{id_}/events"
        with httpx.stream("GET", url, headers=headers, timeout=PATIENCE_S) as stream:
            for line in stream.iter_lines():
                if line.startswith("event: "):
                    kinds.append(line.removeprefix("event: "))
                if line.startswith("id: "):
                    ids.append(int(line.removeprefix("id: ")))
                if line.startswith("data: ") and len(ids) % 5 == 0:
                    break  # the connection is lost
        headers = {"Last-Event-ID": str(ids[-1])}
    assert ids == list(range(len(ids)))
    assert len(ids) > 5
    seen = httpx.get(f"{server.url}/v1/localizations/{id_}/events", headers=headers, timeout=PATIENCE_S)
    assert seen.status_code == 204


def test_a_body_of_twenty_megabytes_is_refused_and_the_server_lives_on(make_server: Callable[[], Server]) -> None:
    server = make_server()
    refused = httpx.post(f"{server.url}/v1/alerts", content=b"x" * 20_000_000, timeout=PATIENCE_S)
    assert refused.status_code == 413
    assert refused.headers["content-type"] == "application/problem+json"
    assert server.get("/readyz").status_code == 200


def test_being_told_to_stop_lets_go_of_who_waits(make_server: Callable[[], Server]) -> None:
    server = make_server()
    id_ = server.post("/v1/alerts", alertmanager_body("cart")).json()["localization_id"]
    assert server.ended(id_)["status"] == "done"
    assert server.end(signal.SIGINT) == 0
    assert "Traceback" not in server.log.read_text()
