"""A model server as HTTP: what it serves, one request and its answer. Every wait and every answer has a limit."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from service.concurrency import gather
from service.domain.echo import unechoed
from service.errors import ModelError
from service.ports import ChatReply, ChatRequest
from service.telemetry import calling

_REFUSED: Final = frozenset({400, 404, 405, 415, 422, 501})
"""Answers by which a server says that it does not know what it was asked for, rather than that it is in trouble."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a model is served, and how long and how much we wait for. ``url`` ends before or with ``/v1``."""

    url: str
    model: str = ""  # "": the first one that the server lists
    version: str = ""
    sha256: str = ""  # of the weights, as the model's manifest tells
    api_key_file: Path | None = None  # read for every round, so that a rotated key is taken up
    rendering: str = "names"
    connect_s: float = 3.0
    concurrency: int = 8  # requests of one round that are under way at the same time
    max_answer_bytes: int = 2_000_000


class Refusal(ModelError):
    """The server does not take a request of this form."""


class ModelServer:
    """The server of an endpoint. Whatever goes wrong is one line of `ModelError`."""

    def __init__(self, endpoint: Endpoint, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.endpoint = endpoint
        self._transport = transport
        self._base = endpoint.url.rstrip("/").removesuffix("/v1")

    @property
    def host(self) -> str:
        """The server without credentials that its address may hold."""
        parts = urlsplit(self._base)
        return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"

    @asynccontextmanager
    async def connected(self, timeout_s: float) -> AsyncGenerator[httpx.AsyncClient]:
        """Connections for one round, which takes ``timeout_s`` at most, with the key as it is now."""
        try:
            async with asyncio.timeout(timeout_s), self._client(timeout_s) as client:
                yield client
        except TimeoutError as error:
            raise ModelError(f"the model server {self.host} did not answer within {timeout_s:g} s") from error

    async def answers(
        self, ask: Callable[[ChatRequest], Awaitable[ChatReply]], requests: Sequence[ChatRequest]
    ) -> list[ChatReply]:
        """One move for each request, asked at once. One that fails is an empty move; only if all fail, it raises."""
        turnstile = asyncio.Semaphore(self.endpoint.concurrency)

        async def one(request: ChatRequest) -> ChatReply | ModelError:
            async with turnstile:
                try:
                    return await ask(request)
                except ModelError as error:
                    return error

        answers = await gather(*(one(request) for request in requests))
        failures = [answer for answer in answers if isinstance(answer, ModelError)]
        if failures and len(failures) == len(answers):
            raise failures[0]
        return [ChatReply() if isinstance(answer, ModelError) else answer for answer in answers]

    async def model_name(self, client: httpx.AsyncClient) -> str:
        """The wanted model, else the first one, as the server lists them."""
        try:
            content = await self.fetch(client, "GET", "/v1/models", None)
            served = [model.id for model in _Models.model_validate_json(content).data]
        except Refusal:  # a server without a list of models takes our word
            served = [self.endpoint.model] if self.endpoint.model else []
        except ValidationError as error:
            raise ModelError(f"{self.host}/v1/models answers with no list of models: is it a model server?") from error
        wanted = self.endpoint.model or next(iter(served), "")
        if wanted not in served:
            raise ModelError(
                f"{self.host} does not serve {wanted or 'any model'}: it has {', '.join(served) or 'none'}"
            )
        return wanted

    async def fetch(self, client: httpx.AsyncClient, method: str, path: str, body: Mapping[str, Any] | None) -> bytes:
        """The body of a successful answer. Raises `Refusal` where another form of the request may be taken."""
        try:
            with calling("model", method, f"{self._base}{path}") as call:
                async with client.stream(method, path, json=body, headers=call.headers) as response:
                    call.answered(response.status_code)
                    content = await self._read(response)
        except httpx.HTTPError as error:
            raise ModelError(f"the model server {self.host} failed: {type(error).__name__} {error}".rstrip()) from error
        if response.is_success:
            return content
        kind = Refusal if response.status_code in _REFUSED else ModelError
        raise kind(f"the model server {self.host} answered {response.status_code}: {_complaint(response, content)}")

    def _client(self, timeout_s: float) -> httpx.AsyncClient:
        key = self._key()
        return httpx.AsyncClient(
            base_url=self._base,
            transport=self._transport,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, self.endpoint.connect_s)),
            limits=httpx.Limits(max_connections=self.endpoint.concurrency),
            follow_redirects=False,
            trust_env=False,
        )

    def _key(self) -> str:
        file = self.endpoint.api_key_file
        if file is None:
            return ""
        try:
            return file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(f"the key of the model server cannot be read from {file}: {error}") from error

    async def _read(self, response: httpx.Response) -> bytes:
        content = bytearray()
        async for chunk in response.aiter_bytes():
            content += chunk
            if len(content) > self.endpoint.max_answer_bytes:
                raise ModelError(f"the model server's answer is longer than {self.endpoint.max_answer_bytes} bytes")
        return bytes(content)


class _Listed(BaseModel):
    model_config = ConfigDict(extra="ignore")
    id: str


class _Models(BaseModel):
    model_config = ConfigDict(extra="ignore")
    data: list[_Listed]


def first_fault(error: ValidationError) -> str:
    """What is wrong with an answer, as one short line."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in first['loc']) or 'body'}: {first['msg'][:120]}"


def _complaint(response: httpx.Response, content: bytes) -> str:
    """What a server says is wrong, as one short line."""
    text = content[:4000].decode("utf-8", "replace")
    try:
        said = json.loads(text)
        text = str(said["error"]["message"])
    except (ValueError, KeyError, TypeError):
        pass
    return unechoed(" ".join(text.split()), response.request.headers)[:200] or "nothing"
