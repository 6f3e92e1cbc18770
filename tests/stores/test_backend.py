import asyncio
import gzip
import json
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from threading import current_thread
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from service.breaker import Breaker
from service.errors import BackendError
from service.stores.aside import SMALL, read
from service.stores.backend import ATTEMPTS, Access, Backend
from service.stores.patience import patience
from tests.patience import patient
from tests.waiting import LIMIT_S, turns

ACCESS = patient("http://loki:3100/prefix")


class Names(BaseModel):
    data: list[str]


class Clock:
    """Goes only where it is set to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def cancelled_at_the_end(work: Coroutine[Any, Any, object]) -> AsyncGenerator[None]:
    """It goes on beside the block, and not after it."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


Answer = Callable[[httpx.Request], httpx.Response]


def saying(answer: Answer, access: Access = ACCESS, breaker: Breaker | None = None) -> Backend:
    return Backend("Loki", access, httpx.MockTransport(answer), breaker)


def always(*arguments: object, **told: object) -> Answer:
    return lambda _: httpx.Response(*arguments, **told)  # pyright: ignore[reportArgumentType]


def in_turn(responses: Iterable[httpx.Response]) -> Answer:
    left = iter(responses)
    return lambda _: next(left)


def labels(backend: Backend) -> Names:
    return asyncio.run(backend.told(Names, "GET", "/labels"))


def fault(backend: Backend) -> str:
    with pytest.raises(BackendError) as caught:
        labels(backend)
    text = str(caught.value)
    assert text.startswith("Loki ")
    assert text.isprintable()
    assert len(text) <= 300
    return text


def test_an_answer_comes_in_its_shape_and_is_counted() -> None:
    backend = saying(always(200, json={"data": ["app"]}))
    assert labels(backend).data == ["app"]
    assert (backend.spent.requests, backend.spent.bytes) == (1, len(b'{"data":["app"]}'))


def test_questions_go_below_the_address_as_they_were_put() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, content=b"ok")

    backend = saying(answer)
    asyncio.run(backend.ask("GET", "/api", params=[("match[]", "a"), ("match[]", "b")], headers={"X-Own": "1"}))
    asyncio.run(backend.ask("POST", "/form", data={"query": "up"}))
    asyncio.run(backend.ask("POST", "/sql", data=b"SELECT 1"))
    asyncio.run(backend.ask("POST", "/json", json={"size": 1}))
    assert [str(request.url) for request in seen[:2]] == [
        "http://loki:3100/prefix/api?match%5B%5D=a&match%5B%5D=b",
        "http://loki:3100/prefix/form",
    ]
    assert [request.content for request in seen] == [b"", b"query=up", b"SELECT 1", b'{"size":1}']
    assert seen[0].headers["x-own"] == "1"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (always(200, text="nothing here"), "not JSON"),
        (always(200, content=b'{"data": ['), "not JSON"),
        (always(200, content=b"[" * 100_000), "not JSON"),
        (always(200, json={"data": [1]}), "data[0]: input should be a string"),
        (always(200, html="<html>log in"), "web page"),
        (always(200, text="  <!DOCTYPE html><title>log in"), "web page"),
        (always(302, headers={"location": "https://login.example/?next=x"}), "login.example"),
        (always(307, headers={"location": "http://host:port/"}), "Invalid URL"),
        (always(401, text="who are you"), "refuses us (401) at http://loki:3100/prefix/labels: "),
        (always(403, json={"kind": "Status", "message": "it may not list"}), "set and right?: it may not list"),
        (always(400, text="parse error\nat line 1"), "with 400: parse error at line 1"),
        (always(422, json={"status": "error", "error": "too many\u202e samples"}), "too many\ufffd samples"),
        (always(400, json={"error": {"reason": "no such field"}}), "400: no such field"),
        (always(404, json={"message": "no index"}), "/labels with 404: no index"),
        (always(500, html="<html>sorry"), "answered http://loki:3100/prefix/labels with 500"),
        (always(200, content=b"{}", headers={"content-encoding": "br"}), "nobody asked for: br"),
    ],
)
def test_whatever_a_server_answers_wrong_is_one_line(answer: Answer, told: str) -> None:
    assert told in fault(saying(answer))


def test_what_is_not_there_may_be_asked_for() -> None:
    assert asyncio.run(saying(always(404)).ask("GET", "/traces/1", missing_ok=True)) is None


def test_an_answer_without_end_is_broken_off_packed_or_not() -> None:
    small = replace(ACCESS, body_limit_bytes=100_000)
    bomb = gzip.compress(b"0" * 1_000_000)
    assert len(bomb) < 2000
    assert "more than 0.1 MB" in fault(saying(always(200, content=b"0" * 100_001), small))
    assert "more than 0.1 MB" in fault(saying(always(200, content=bomb, headers={"content-encoding": "gzip"}), small))


def test_a_server_that_soon_does_better_is_asked_again() -> None:
    well = httpx.Response(200, json={"data": []})
    backend = saying(in_turn([httpx.Response(503), httpx.Response(429), well]))
    assert labels(backend).data == []
    assert backend.spent.requests == ATTEMPTS


def test_a_server_that_stays_in_trouble_is_left_alone() -> None:
    backend = saying(always(503, text="no healthy upstream"))
    assert "with 503: no healthy upstream" in fault(backend)
    assert backend.spent.requests == ATTEMPTS


@pytest.mark.parametrize("answer", [always(500), always(400), always(503, headers={"retry-after": "3600"})])
def test_what_will_not_help_is_not_tried_again(answer: Answer) -> None:
    backend = saying(answer)
    fault(backend)
    assert backend.spent.requests == 1


def test_what_changes_something_is_sent_once() -> None:
    backend = saying(always(503))
    with pytest.raises(BackendError):
        asyncio.run(backend.ask("POST", "/x", retry=False))
    assert backend.spent.requests == 1


@pytest.mark.parametrize(
    ("error", "told", "requests"),
    [
        (httpx.ConnectError("refused"), "http://loki:3100/prefix cannot be reached: refused", ATTEMPTS),
        (httpx.ConnectTimeout("x"), f"took no connection within {LIMIT_S:g} s", 1),
        (httpx.ReadTimeout("x"), f"did not answer within {LIMIT_S:g} s", 1),
        (httpx.RemoteProtocolError("half a body"), "broke off", ATTEMPTS),
        (httpx.LocalProtocolError("Illegal header value b'secret'"), "cannot be sent", 1),
    ],
)
def test_a_connection_that_fails_is_told_in_plain_words(error: httpx.HTTPError, told: str, requests: int) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        raise error

    backend = saying(answer)
    text = fault(backend)
    assert told in text
    assert "secret" not in text
    assert backend.spent.requests == requests


class Silent(httpx.AsyncBaseTransport):
    """A server that never answers, and tells when it is called."""

    def __init__(self) -> None:
        self.called = asyncio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.called.set()
        await asyncio.Event().wait()
        raise AssertionError


def test_a_call_ends_with_its_time_whoever_is_slow() -> None:
    assert "did not answer within 0.05 s" in fault(Backend("Loki", replace(ACCESS, total_s=0.05), Silent()))


def test_a_call_ends_with_the_time_of_whoever_asks_which_says_nothing_of_the_server() -> None:
    breaker, clock = Breaker(failures=1), Clock()
    with patience(1.05, clock):
        clock.now = 1.0
        assert "did not answer within 0.05 s" in fault(Backend("Loki", ACCESS, Silent(), breaker))
    assert breaker.rests_s() == 0


def test_a_large_answer_is_read_beside_the_loop_and_a_small_one_at_once() -> None:
    readers: list[str] = []

    def where(body: bytes) -> int:
        readers.append(current_thread().name)
        return len(body)

    async def both() -> list[int]:
        return [await read(where, b"x" * size) for size in (SMALL, SMALL + 1)]

    assert asyncio.run(both()) == [SMALL, SMALL + 1]
    assert [name.startswith("reader") for name in readers] == [False, True]


def test_only_so_many_questions_are_under_way() -> None:
    under_way, most = 0, 0

    async def answer(_: httpx.Request) -> httpx.Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await turns()
        under_way -= 1
        return httpx.Response(200)

    async def stampede() -> None:
        backend = Backend("Loki", replace(ACCESS, at_once=2), httpx.MockTransport(answer))
        await asyncio.gather(*(backend.ask("GET", "/") for _ in range(7)))
        await backend.aclose()

    asyncio.run(stampede())
    assert most == 2


def test_who_waits_in_line_too_long_is_told_so() -> None:
    async def second() -> str:
        server = Silent()
        backend = Backend("Loki", replace(ACCESS, at_once=1), server)
        async with cancelled_at_the_end(backend.ask("GET", "/")):
            await server.called.wait()
            with patience(0.05, Clock()), pytest.raises(BackendError) as caught:
                await backend.ask("GET", "/")
        return str(caught.value)

    assert asyncio.run(second()) == "Loki was not asked within 0.05 s: others are before"


def test_a_breaker_opens_after_failures_lets_one_try_and_closes_after_success() -> None:
    clock, answers = Clock(), [httpx.Response(500)] * 3
    backend = saying(
        lambda _: answers.pop() if answers else httpx.Response(200, json={"data": []}),
        breaker=Breaker(failures=2, rest_s=10, clock=clock),
    )
    assert ["500" in fault(backend) for _ in range(2)] == [True, True]
    assert "is not asked for 10 s" in fault(backend)
    clock.now = 10.0
    assert "500" in fault(backend)
    assert "is not asked" in fault(backend)
    clock.now = 20.0
    assert labels(backend).data == []
    assert labels(backend).data == []
    assert backend.spent.requests == 5


def test_only_one_tries_a_server_that_may_be_well_again() -> None:
    breaker = Breaker(failures=1, rest_s=0)
    breaker.failed()
    assert breaker.rests_s() == 0
    assert breaker.rests_s() > 0
    breaker.undecided()
    assert breaker.rests_s() == 0


def test_who_gave_up_waiting_leaves_the_trial_to_the_next_and_counts_if_it_was_long() -> None:
    async def given_up(connect_s: float) -> float:
        breaker, server = Breaker(failures=1, rest_s=0, clock=Clock()), Silent()
        breaker.failed()
        backend = Backend("Loki", replace(ACCESS, connect_s=connect_s), server, breaker)
        breaker.rest_s = 3600
        async with cancelled_at_the_end(backend.ask("GET", "/")):
            await server.called.wait()
        return breaker.rests_s()

    assert asyncio.run(given_up(connect_s=ACCESS.connect_s)) == 0
    assert asyncio.run(given_up(connect_s=0)) == 3600


def test_wrong_questions_do_not_open_the_breaker() -> None:
    backend = saying(always(400), breaker=Breaker(failures=1))
    assert ["with 400" in fault(backend) for _ in range(3)] == [True] * 3


def sent(access: Access) -> dict[str, str]:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=json.dumps(dict(request.headers)))

    return asyncio.run(saying(answer, access).told(dict[str, str], "GET", "/"))


def test_credentials_come_from_files_as_they_are_now(tmp_path: Path) -> None:
    token, key = tmp_path / "token", tmp_path / "key"
    token.write_text("first\n")
    key.write_text("k1")
    access = replace(ACCESS, tenant="shop", bearer_file=token, header_files={"X-Api-Key": key}, headers={"X-Own": "1"})
    first = sent(access)
    assert (first["authorization"], first["x-api-key"], first["x-scope-orgid"]) == ("Bearer first", "k1", "shop")
    assert first["x-own"] == "1"
    token.write_text("second")
    assert sent(access)["authorization"] == "Bearer second"


def test_a_user_with_a_password_is_basic(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("p")
    assert sent(replace(ACCESS, user="u", password_file=password))["authorization"] == "Basic dTpw"


@pytest.mark.parametrize("secret", ["", "two\nlines", "naïve", "a\x00b"])
def test_a_secret_that_no_header_holds_is_told_without_it(tmp_path: Path, secret: str) -> None:
    token = tmp_path / "token"
    token.write_text(secret)
    text = fault(saying(always(200), replace(ACCESS, bearer_file=token)))
    assert str(token)[:40] in text
    assert not secret or secret not in text


def test_a_secret_that_is_gone_is_told(tmp_path: Path) -> None:
    assert "No such file" in fault(saying(always(200), replace(ACCESS, bearer_file=tmp_path / "gone")))


def test_an_address_is_shown_without_its_credentials() -> None:
    assert Access("https://u:secret@host:1/a/").shown == "https://host:1/a"
