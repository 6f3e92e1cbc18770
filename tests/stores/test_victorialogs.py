"""What is VictoriaLogs' own; what it has in common with other stores of logs is in the contracts."""

import asyncio
from pathlib import Path
from urllib.parse import parse_qs

import httpx
import pytest

from service.domain.window import Window
from service.errors import BackendError
from service.stores.backend import Backend
from service.stores.victorialogs import VictoriaLogs
from service.stores.victorialogs_fake import FakeVictoriaLogs
from tests.patience import patient
from tests.telemetry_rows import NOON, at, logs

RECORDED = Path(__file__).parents[3] / "shared" / "recorded"
HOUR = Window(NOON, at(60))
ROWS = logs({"time": at(1)}, {"time": at(2), "service": "b"})


def saying(lines: bytes) -> VictoriaLogs:
    """Counts three records and answers so."""

    def answer(request: httpx.Request) -> httpx.Response:
        query = parse_qs(request.content.decode())["query"][0]
        return httpx.Response(200, content=b'{"lines":"3","loud":"1"}\n' if "| stats" in query else lines)

    return VictoriaLogs(Backend("VictoriaLogs", patient("http://v:9428"), httpx.MockTransport(answer)))


def test_only_what_is_ours_is_asked_for() -> None:
    backend = Backend("VictoriaLogs", patient("http://v:9428"), httpx.ASGITransport(FakeVictoriaLogs(ROWS).app()))
    store = VictoriaLogs(backend, '"service.name":~"^b$"')
    assert asyncio.run(store.logs(HOUR)).column("service").to_pylist() == ["b"]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (b'{"_msg": "hello"}\n', "a record without its time"),
        (b'{"_time": "2026-11-22T12:00:01Z", "_msg": "hel', "not a record in JSON a line"),
        (b'{"_time": 3}\n', "not a record in JSON a line"),
    ],
)
def test_what_is_no_record_is_one_line(lines: bytes, told: str) -> None:
    with pytest.raises(BackendError, match=told):
        asyncio.run(saying(lines).logs(HOUR))


def test_what_answers_is_told_in_one_line() -> None:
    assert asyncio.run(saying(b"").found()) == "VictoriaLogs http://v:9428: 3 records in the last hour"


def test_an_answer_of_a_real_one_is_read() -> None:
    if not RECORDED.is_dir():
        pytest.skip(f"no recorded answers at {RECORDED}")
    found = asyncio.run(saying((RECORDED / "victorialogs_query.ndjson").read_bytes()).logs(HOUR)).to_pylist()
    assert len(found) == 3
    assert {row["service"] for row in found} == {"ad"}
    assert {row["severity"] for row in found} == {"ERROR"}
    assert {len(row["trace_id"]) for row in found} == {32}


def test_a_record_that_came_without_a_message_says_what_its_other_fields_do() -> None:
    placeholder = "missing _msg field; see https://docs.victoriametrics.com/victorialogs/keyconcepts/#message-field"
    line = f'{{"_time":"2026-11-28T11:22:41Z","_msg":"{placeholder}","app":"web","level":"info","message":"GET / 200"}}'
    (found,) = asyncio.run(saying(line.encode()).logs(HOUR)).to_pylist()
    assert (found["service"], found["severity"], found["body"]) == ("web", "INFO", "GET / 200")
