"""Whatever a server does, an adapter answers within its limits: with rows, or with a line that says what was wrong."""

import asyncio
import gzip
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from service.breaker import Breaker
from service.errors import BackendError
from service.stores.backend import Access, Backend
from tests.contracts.adapters import ADAPTERS, Adapter
from tests.contracts.faulty import Asked, Behaviour, FaultyServer, dies, drips, faulty, hangs, no_http, says
from tests.patience import patient
from tests.waiting import turns

PATIENT = patient(body_limit_bytes=1_000_000)
SILENCE = replace(PATIENT, read_s=0.3)
ENDLESS = replace(PATIENT, total_s=0.5)
"""Here no single wait comes to its end, only the time of the whole call."""

LOGIN = b"<!DOCTYPE html><html><title>Sign in</title><form>who are you?</form></html>"
BOMB = gzip.compress(b" " * 20_000_000, mtime=0)
PACKED_TWICE = gzip.compress(gzip.compress(b"{}", mtime=0), mtime=0)

FAULTS: dict[str, tuple[Behaviour, Access]] = {
    "hung": (hangs, SILENCE),
    "without end": (drips, ENDLESS),
    "dying": (dies, PATIENT),
    "no HTTP": (no_http, PATIENT),
    "half a body": (says(200, b'{"status": ', content_length="1000"), PATIENT),
    "half of its JSON": (says(200, b'{"status": "success", "data": ['), PATIENT),
    "no JSON": (says(200, b"all is well"), PATIENT),
    "no text": (says(200, bytes(range(128, 256))), PATIENT),
    "too deep": (says(200, b"[" * 200_000), PATIENT),
    "a number": (says(200, b"3"), PATIENT),
    "a login page": (says(200, LOGIN, content_type="text/html"), PATIENT),
    "a page that calls itself JSON": (says(200, LOGIN, content_type="application/json"), PATIENT),
    "wrong gzip": (says(200, b"no gzip", content_encoding="gzip"), PATIENT),
    "a bomb": (says(200, BOMB, content_encoding="gzip"), PATIENT),
    "packed twice": (says(200, PACKED_TWICE, content_encoding="gzip, gzip"), PATIENT),
    "too long": (says(200, b" " * 1_000_001), PATIENT),
    "unauthorised": (says(401, b"who are you?"), PATIENT),
    "forbidden": (says(403, b"not you"), PATIENT),
    "broken": (says(500, b"panic: \x1b[31m\nnil"), PATIENT),
    "busy for long": (says(503, b"later", retry_after="3600"), PATIENT),
    "throttling for long": (says(429, b"later", retry_after="3600"), PATIENT),
}

each = pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda adapter: adapter.name)

Outcome = tuple[pa.Table | BackendError, FaultyServer]


async def ask(adapter: Adapter, backend: Backend) -> pa.Table | BackendError:
    try:
        return await adapter.ask(backend)
    except BackendError as error:
        return error


def asked_once(adapter: Adapter, behave: Behaviour, access: Access = PATIENT) -> Outcome:
    async def once() -> Outcome:
        async with faulty(behave) as server:
            backend = Backend(adapter.name, replace(access, url=server.url))
            try:
                return await ask(adapter, backend), server
            finally:
                await backend.aclose()

    return asyncio.run(once())


def told(outcome: pa.Table | BackendError, adapter: Adapter) -> str:
    """The line of an error, which people can read."""
    assert isinstance(outcome, BackendError)
    line = str(outcome)
    assert line.startswith(adapter.name)
    assert line.isprintable()
    assert len(line) <= 300
    return line


def at_first(fault: Behaviour, well: Behaviour) -> Behaviour:
    """The first request meets the fault; then it is well."""
    met: list[Asked] = []

    async def behave(request: Asked, writer: asyncio.StreamWriter) -> None:
        met.append(request)
        await (fault if len(met) == 1 else well)(request, writer)

    return behave


def empty(adapter: Adapter) -> Behaviour:
    async def behave(request: Asked, writer: asyncio.StreamWriter) -> None:
        await says(200, adapter.empty(request.target), content_type="application/json")(request, writer)

    return behave


def is_empty(outcome: pa.Table | BackendError) -> bool:
    return isinstance(outcome, pa.Table) and outcome.num_rows == 0


@each
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_line(adapter: Adapter, fault: str) -> None:
    behave, access = FAULTS[fault]
    outcome, server = asked_once(adapter, behave, access)
    told(outcome, adapter)
    assert server.asked or access in (SILENCE, ENDLESS)  # whose time may be over before the server looks at it


@each
def test_an_error_in_an_answer_that_calls_itself_well_is_an_error(adapter: Adapter) -> None:
    for lie in adapter.lies:
        told(asked_once(adapter, says(200, lie, content_type="application/json"))[0], adapter)


@each
def test_a_server_that_has_nothing_is_an_empty_table(adapter: Adapter) -> None:
    assert is_empty(asked_once(adapter, empty(adapter))[0])


@each
@pytest.mark.parametrize("fault", [says(503), says(429), dies], ids=["busy", "throttling", "dying"])
def test_a_server_that_is_well_again_at_once_costs_nothing(adapter: Adapter, fault: Behaviour) -> None:
    assert is_empty(asked_once(adapter, at_first(fault, empty(adapter)))[0])


@each
def test_nobody_is_asked_but_the_address_that_is_set(adapter: Adapter) -> None:
    async def elsewhere() -> tuple[str, list[Asked]]:
        async with faulty(says(200, b"{}")) as other, faulty(says(302, location=f"{other.url}/api")) as server:
            backend = Backend(adapter.name, replace(PATIENT, url=server.url))
            line = told(await ask(adapter, backend), adapter)
            await backend.aclose()
            return line, other.asked

    line, asked = asyncio.run(elsewhere())
    assert "only its own address is asked" in line
    assert asked == []


@each
def test_nobody_there_is_one_line(adapter: Adapter) -> None:
    async def nobody() -> str:
        async with faulty(dies) as server:
            gone = server.url
        backend = Backend(adapter.name, replace(PATIENT, url=gone))
        line = told(await ask(adapter, backend), adapter)
        await backend.aclose()
        return line

    assert "cannot be reached" in asyncio.run(nobody())


@each
def test_a_server_that_stays_broken_is_left_alone(adapter: Adapter) -> None:
    async def again() -> tuple[str, int, int]:
        async with faulty(says(500)) as server:
            backend = Backend(adapter.name, replace(PATIENT, url=server.url), breaker=Breaker(rest_s=3600))
            for _ in range(Breaker().failures):
                told(await ask(adapter, backend), adapter)
            before = len(server.asked)
            line = told(await ask(adapter, backend), adapter)
            await backend.aclose()
            return line, before, len(server.asked)

    line, before, after = asyncio.run(again())
    assert "is not asked" in line
    assert before == after


def admits(token: str, well: Behaviour) -> Behaviour:
    async def behave(request: Asked, writer: asyncio.StreamWriter) -> None:
        known = request.headers.get("authorization") == f"Bearer {token}"
        await (well if known else says(401))(request, writer)

    return behave


@each
def test_a_token_that_was_renewed_is_taken_up(adapter: Adapter, tmp_path: Path) -> None:
    token = tmp_path / "token"

    async def renewed() -> tuple[str, bool]:
        async with faulty(admits("second", empty(adapter))) as server:
            backend = Backend(adapter.name, replace(PATIENT, url=server.url, bearer_file=token))
            await asyncio.to_thread(token.write_text, "first")
            line = told(await ask(adapter, backend), adapter)
            await asyncio.to_thread(token.write_text, "second")
            well = is_empty(await ask(adapter, backend))
            await backend.aclose()
            return line, well

    line, well = asyncio.run(renewed())
    assert "refuses us (401)" in line
    assert well


def test_a_stampede_meets_a_limit_for_each_backend() -> None:
    under_way, most, together = 0, 0, asyncio.Barrier(3)

    async def slowly(request: Asked, writer: asyncio.StreamWriter) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await together.wait()
        await turns()  # a fourth would come meanwhile
        under_way -= 1
        await empty(ADAPTERS[0])(request, writer)

    async def incidents() -> list[pa.Table | BackendError]:
        async with faulty(slowly) as server:
            backend = Backend("Prometheus", replace(PATIENT, url=server.url, at_once=3))
            outcomes = await asyncio.gather(*(ask(ADAPTERS[0], backend) for _ in range(21)))
            await backend.aclose()
            return outcomes

    assert all(map(is_empty, asyncio.run(incidents())))
    assert most == 3
