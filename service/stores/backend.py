"""One server that is asked over HTTP, whatever it speaks. Every wait and every answer has a limit, and whatever goes
wrong is one line of `BackendError`: it costs the incident a share of its deadline, never more.
"""

import asyncio
import functools
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError

from service.breaker import Breaker, BreakerState
from service.errors import BackendError
from service.stores.access import Access, Certificates
from service.stores.aside import read
from service.stores.complaint import complaint_of, is_page
from service.stores.patience import left_s
from service.stores.validation import first_fault
from service.telemetry import calling

T = TypeVar("T")

Params = Mapping[str, str] | Sequence[tuple[str, str]]

ATTEMPTS: Final = 3
TROUBLED: Final = frozenset({429, 502, 503, 504})
"""Answers by which a server, or a proxy before it, says that it may well do better soon."""
REFUSING: Final = frozenset({401, 403, 407})
UNPACKED: Final = frozenset({"", "identity", "gzip", "x-gzip", "deflate"})
"""One of these alone: a list of encodings multiplies what a bomb unpacks to. One piece of a body that is read (64 kB)
then unpacks to 66 MB at most before its length is looked at."""
LONGEST_LINE: Final = 500


@dataclass(slots=True)
class Spent:
    """What a backend was asked so far: requests, retries among them, bytes of their answers, unpacked, and questions
    that it failed to answer as it should.
    """

    requests: int = 0
    bytes: int = 0
    failures: int = 0


class Backend:
    """One server: its connections, limits, credentials and circuit breaker, shared by all incidents that ask it.

    ``name`` is what people call it ("Loki"). It may be used by one event loop after another, by one at a time.
    """

    def __init__(
        self,
        name: str,
        access: Access,
        transport: httpx.AsyncBaseTransport | None = None,
        breaker: Breaker | None = None,
    ) -> None:
        self.name = name
        self.access = access
        self.spent = Spent()
        self.clock_ahead_s: float | None = None
        """How far its clock was ahead of ours when it last answered, to a second; None if it does not say its time."""
        self._transport = transport
        self._breaker = breaker or Breaker()
        self._certificates = Certificates(access)
        self._line: _Line | None = None

    @property
    def left_alone(self) -> bool:
        """Whether it failed so often in a row that it is not asked for a while."""
        return self._breaker.state is not BreakerState.CLOSED

    async def ask(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        json: object = None,
        data: Mapping[str, str] | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        retry: bool = True,
        missing_ok: bool = False,
    ) -> bytes | None:
        """The body of a 2xx answer, unpacked; None for a 404 where ``missing_ok``. ``path`` begins with a slash and is
        below the address; ``data`` is a form, or a body as it is. ``retry`` is for questions that change nothing.

        Raises `BackendError`.
        """
        form, content = (None, data) if isinstance(data, bytes) else (data, None)
        asked = {"params": params, "json": json, "data": form, "content": content}
        given = {name: value for name, value in asked.items() if value is not None}
        if (rests_s := self._breaker.rests_s()) > 0:
            raise self.failure(f"is not asked for {rests_s:.0f} s: it failed too often in a row")
        try:
            return await self._bounded(_Question(method, path, given, headers or {}, retry, missing_ok))
        except BackendError:
            self.spent.failures += 1
            raise

    async def told(
        self,
        model: type[T],
        method: str,
        path: str,
        *,
        params: Params | None = None,
        json: object = None,
        data: Mapping[str, str] | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        retry: bool = True,
    ) -> T:
        """The same as JSON of the shape of a pydantic model, or of any type that pydantic validates."""
        body = await self.ask(method, path, params=params, json=json, data=data, headers=headers, retry=retry)
        return await read(functools.partial(self.parsed, model), body or b"")

    def parsed(self, model: type[T], body: bytes) -> T:
        """JSON of a body in the shape of a model. Raises `BackendError`."""
        try:
            return _adapter(model).validate_json(body)
        except ValidationError as error:
            if error.errors(include_url=False, include_context=False, include_input=False)[0]["type"] == "json_invalid":
                raise self.failure("answers with something that is not JSON") from None
            raise self.failure(f"answers with what it should not: {first_fault(error)}") from None

    def failure(self, what: str, retry_after_s: float = 0.0) -> BackendError:
        """An error of this backend, in one line: ``what`` it did."""
        return BackendError(" ".join(f"{self.name} {what}".split())[:LONGEST_LINE], retry_after_s)

    async def aclose(self) -> None:
        """Close its connections. It may be asked again."""
        line, self._line = self._line, None
        if line is not None:
            await line.client.aclose()

    @property
    def patience_s(self) -> float:
        """How long one call may take now: its total time, or what is left to whoever asks."""
        return min(self.access.total_s, left_s())

    async def _bounded(self, question: "_Question") -> bytes | None:
        """The answer within the total time; the breaker is told how it went."""
        started, line, total_s = time.monotonic(), self._current_line(), self.patience_s
        began = False
        try:
            async with asyncio.timeout(total_s), line.room:
                began = True
                body = await self._attempts(line.client, question, started + total_s)
        except TimeoutError:
            if began:
                self._silent_since(started)
                raise self.failure(f"did not answer within {round(total_s, 2):g} s") from None
            raise self.failure(f"was not asked within {round(total_s, 2):g} s: others are before") from None
        except _Trouble as trouble:
            self._breaker.failed()
            raise self.failure(str(trouble), trouble.pause_s) from None
        except asyncio.CancelledError:
            if began:
                self._silent_since(started)
            raise
        except BackendError:
            self._breaker.succeeded()
            raise
        else:
            self._breaker.succeeded()
            return body
        finally:
            self._breaker.undecided()

    def _silent_since(self, started: float) -> None:
        """Whoever asked has no time left: where nothing was heard for so long, that says something of the server."""
        if time.monotonic() - started >= min(self.access.connect_s, self.access.total_s):
            self._breaker.failed()

    async def _attempts(self, client: httpx.AsyncClient, question: "_Question", until: float) -> bytes | None:
        for attempt in range(1, ATTEMPTS):
            try:
                return await self._once(client, question)
            except _Trouble as trouble:
                jittered_s = self.access.pause_s * 2 ** (attempt - 1) * random.uniform(0.5, 1.5)  # noqa: S311
                pause_s = max(jittered_s, trouble.pause_s)
                if not (question.retry and trouble.passing) or time.monotonic() + pause_s > until:
                    raise
                await asyncio.sleep(pause_s)
        return await self._once(client, question)

    async def _once(self, client: httpx.AsyncClient, question: "_Question") -> bytes | None:
        """One request and its answer. Raises `_Trouble` where the server is in one, `BackendError` where it is not."""
        try:
            headers = {**self.access.sent(), **question.headers}
            self._certificates.refresh()
        except BackendError as error:
            raise self.failure(f"cannot be asked: {error}") from None
        self.spent.requests += 1
        url = self.access.url.rstrip("/") + question.path
        try:
            with calling(self.name, question.method, self.access.url if self.access.secret_paths else url) as call:
                headers |= call.headers
                async with client.stream(question.method, url, headers=headers, **question.given) as response:
                    call.answered(response.status_code)
                    self.clock_ahead_s = _ahead_s(response)
                    return await self._answer(response, question)
        except httpx.HTTPError as error:
            raise self._broken(error) from None
        except (httpx.InvalidURL, UnicodeError):
            raise self.failure(f"cannot be asked: {self.access.shown} is no address") from None

    async def _answer(self, response: httpx.Response, question: "_Question") -> bytes | None:
        status = response.status_code
        if response.is_success:
            body = await self._read(response, self.access.body_limit_bytes)
            if is_page(response, body):
                raise self.failure("answers with a web page, perhaps of a login: are address and credentials right?")
            return body
        if (elsewhere := response.next_request) is not None:
            raise self.failure(f"sends us to {elsewhere.url.host[:80]} ({status}): only its own address is asked")
        if status == 404 and question.missing_ok:
            return None
        complaint = complaint_of(response, await self._read(response, self.access.body_limit_bytes))
        because = f"{complaint and ': '}{complaint}"
        if status in REFUSING:
            hint = "are its credentials, and its tenant, set and right?"
            raise self.failure(f"refuses us ({status}) at {self._shown(question.path)}: {hint}{because}")
        told = f"answered {self._shown(question.path)} with {status}{because}"
        if status in TROUBLED or status >= 500:
            raise _Trouble(told, passing=status in TROUBLED, pause_s=_retry_after_s(response))
        raise self.failure(told)

    def _shown(self, path: str) -> str:
        """What was asked for, without credentials; its parameters may be long, and are not shown."""
        return self.access.shown if self.access.secret_paths else f"{self.access.shown}{path}"

    async def _read(self, response: httpx.Response, limit: int) -> bytes:
        """The body, unpacked, up to a length."""
        encoding = response.headers.get("content-encoding", "").strip().lower()
        if encoding not in UNPACKED:
            raise self.failure(f"packs its answer in a way that nobody asked for: {encoding[:40]}")
        content = bytearray()
        async for piece in response.aiter_bytes():
            content += piece
            self.spent.bytes += len(piece)
            if len(content) > limit:
                raise self.failure(f"answers with more than {limit / 1e6:g} MB")
        return bytes(content)

    def _broken(self, error: httpx.HTTPError) -> "_Trouble | BackendError":
        """A request that got no answer, or half of one."""
        where = self.access.shown
        match error:
            case httpx.ConnectTimeout():
                return _Trouble(f"at {where} took no connection within {self.access.connect_s:g} s")
            case httpx.ReadTimeout() | httpx.WriteTimeout():
                return _Trouble(f"did not answer within {self.access.read_s:g} s")
            case httpx.ConnectError():
                return _Trouble(f"at {where} cannot be reached: {error}", passing=True)
            case httpx.LocalProtocolError() | httpx.UnsupportedProtocol():  # their text may hold a secret
                return self.failure(f"cannot be asked: {where} or a header cannot be sent")
            case httpx.DecodingError():
                return self.failure("answers with a body that cannot be unpacked")
            case _:
                return _Trouble(f"broke off: {type(error).__name__} {error}", passing=True)

    def _current_line(self) -> "_Line":
        """Connections and places of the event loop that runs; those of one that has ended are of no use."""
        loop = asyncio.get_running_loop()
        if self._line is None or self._line.loop is not loop:
            self._line = _Line(loop, asyncio.Semaphore(self.access.at_once), self._client())
        return self._line

    def _client(self) -> httpx.AsyncClient:
        access = self.access
        return httpx.AsyncClient(
            transport=self._transport,
            verify=self._certificates.context,
            headers={"User-Agent": "hypocenter", "Accept-Encoding": "gzip"},
            timeout=httpx.Timeout(access.read_s, connect=access.connect_s, pool=access.total_s),
            limits=httpx.Limits(max_connections=access.at_once, max_keepalive_connections=access.at_once),
            follow_redirects=False,
            trust_env=False,
        )


@dataclass(frozen=True, slots=True)
class _Question:
    method: str
    path: str
    given: Mapping[str, Any]
    headers: Mapping[str, str]
    retry: bool
    missing_ok: bool


@dataclass(frozen=True, slots=True)
class _Line:
    loop: asyncio.AbstractEventLoop
    room: asyncio.Semaphore
    client: httpx.AsyncClient


class _Trouble(Exception):
    """The server is in trouble; ``passing`` if another attempt may do better, not before ``pause_s``."""

    def __init__(self, what: str, *, passing: bool = False, pause_s: float = 0.0) -> None:
        super().__init__(what)
        self.passing = passing
        self.pause_s = pause_s


@functools.cache
def _adapter(model: type[T]) -> TypeAdapter[T]:
    return TypeAdapter(model)


def _ahead_s(response: httpx.Response) -> float | None:
    try:
        told = parsedate_to_datetime(response.headers.get("date", ""))
        return (told - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError):  # no date, or one without a zone
        return None


def _retry_after_s(response: httpx.Response) -> float:
    """How long the server wants to be left alone; 0 where it does not say so in seconds."""
    told = response.headers.get("retry-after", "").strip()
    return float(told) if told.isdecimal() and len(told) < 6 else 0.0
