"""A chat model behind any OpenAI-compatible server: vLLM first, and those that speak a part of it."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from service.domain.localization import ModelIdentity
from service.errors import ModelError
from service.llm.openai_wire import Body, Completion, Way, read_completion, tiny_request, to_body, to_reply
from service.ports import ChatReply, ChatRequest

_REFUSED = frozenset({400, 404, 405, 415, 422, 501})
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


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a server was found to be able to do."""

    model: str
    way: Way
    allowed_tools: bool = False
    token_ids: bool = False


class _Refusal(ModelError):
    """The server does not take a request of this form."""


class _Listed(BaseModel):
    model_config = ConfigDict(extra="ignore")
    id: str


class _Models(BaseModel):
    model_config = ConfigDict(extra="ignore")
    data: list[_Listed]


class OpenAIModel:
    """A `service.ports.ChatModel`. At its first use it finds out what the server can do; then every request of a round
    goes out at once. One that fails costs its frame's turn; only if all fail is the model down (`ModelError`).
    """

    def __init__(self, endpoint: Endpoint, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.endpoint = endpoint
        self.rendering = endpoint.rendering
        self.capabilities: Capabilities | None = None
        self._transport = transport
        self._base = endpoint.url.rstrip("/").removesuffix("/v1")

    @property
    def identity(self) -> ModelIdentity:
        """The model's name as the server knows it."""
        found = self.capabilities.model if self.capabilities is not None else ""
        return ModelIdentity(self.endpoint.model or found or self._host(), self.endpoint.version, self.endpoint.sha256)

    async def reply(self, requests: Sequence[ChatRequest], timeout_s: float) -> list[ChatReply]:
        """One move for each conversation, within ``timeout_s`` in all."""
        try:
            async with asyncio.timeout(timeout_s), self._client(timeout_s) as client:
                if self.capabilities is None:
                    self.capabilities = await self._probe(client)
                return await self._round(client, self.capabilities, requests)
        except TimeoutError as error:
            raise ModelError(f"the model server {self._host()} did not answer within {timeout_s:g} s") from error

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

    async def _round(
        self, client: httpx.AsyncClient, can: Capabilities, requests: Sequence[ChatRequest]
    ) -> list[ChatReply]:
        turnstile = asyncio.Semaphore(self.endpoint.concurrency)

        async def one(request: ChatRequest) -> ChatReply | ModelError:
            async with turnstile:
                try:
                    return to_reply(await self._complete(client, _body(request, can)), can.way)
                except ModelError as error:
                    return error

        answers = await asyncio.gather(*(one(request) for request in requests))
        failures = [a for a in answers if isinstance(a, ModelError)]
        if failures and len(failures) == len(answers):
            raise failures[0]
        return [ChatReply() if isinstance(a, ModelError) else a for a in answers]

    async def _probe(self, client: httpx.AsyncClient) -> Capabilities:
        """Ask for the models, then for the smallest call there is, in the best way that the server takes."""
        name = await self._model_name(client)
        for can in (
            Capabilities(name, Way.TOOLS, token_ids=True),
            Capabilities(name, Way.TOOLS),
            Capabilities(name, Way.JSON_SCHEMA),
        ):
            answer = await self._tried(client, tiny_request(), can)
            if answer is None or not to_reply(answer, can.way).call_name:
                continue
            if can.way is not Way.TOOLS:
                return can
            some = Capabilities(name, Way.TOOLS, allowed_tools=True, token_ids=can.token_ids and answer.has_token_ids)
            chosen = await self._tried(client, tiny_request(("ready", "busy")), some)
            if chosen is not None and chosen.calls_a_tool:
                return some
            return Capabilities(name, Way.TOOLS, token_ids=some.token_ids)
        return Capabilities(name, Way.JSON_TEXT)

    async def _tried(self, client: httpx.AsyncClient, request: ChatRequest, can: Capabilities) -> Completion | None:
        """What the server answers, or None if it does not take such a request. In trouble, it raises."""
        try:
            return await self._complete(client, _body(request, can))
        except _Refusal:
            return None

    async def _model_name(self, client: httpx.AsyncClient) -> str:
        try:
            content = await self._fetch(client, "GET", "/v1/models", None)
            served = [model.id for model in _Models.model_validate_json(content).data]
        except _Refusal:  # a server without a list of models takes our word
            served = [self.endpoint.model] if self.endpoint.model else []
        except ValidationError as error:
            raise ModelError(
                f"{self._host()}/v1/models answers with no list of models: is it a model server?"
            ) from error
        wanted = self.endpoint.model or next(iter(served), "")
        if wanted not in served:
            raise ModelError(
                f"{self._host()} does not serve {wanted or 'any model'}: it has {', '.join(served) or 'none'}"
            )
        return wanted

    async def _complete(self, client: httpx.AsyncClient, body: Body) -> Completion:
        return read_completion(await self._fetch(client, "POST", "/v1/chat/completions", body))

    async def _fetch(self, client: httpx.AsyncClient, method: str, path: str, body: Body | None) -> bytes:
        """The body of a successful answer. Whatever else happens is one line of `ModelError`."""
        try:
            async with client.stream(method, path, json=body) as response:
                content = await self._read(response)
        except httpx.HTTPError as error:
            raise ModelError(
                f"the model server {self._host()} failed: {type(error).__name__} {error}".rstrip()
            ) from error
        if response.is_success:
            return content
        kind = _Refusal if response.status_code in _REFUSED else ModelError
        raise kind(f"the model server {self._host()} answered {response.status_code}: {_complaint(content)}")

    async def _read(self, response: httpx.Response) -> bytes:
        content = bytearray()
        async for chunk in response.aiter_bytes():
            content += chunk
            if len(content) > self.endpoint.max_answer_bytes:
                raise ModelError(f"the model server's answer is longer than {self.endpoint.max_answer_bytes} bytes")
        return bytes(content)

    def _host(self) -> str:
        """The server without credentials that its address may hold."""
        parts = urlsplit(self._base)
        return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"


def _body(request: ChatRequest, can: Capabilities) -> Body:
    extras: Body = {"return_token_ids": True} if can.token_ids else {}
    return {"model": can.model, **to_body(request, can.way, allowed_tools=can.allowed_tools), **extras}


def _complaint(content: bytes) -> str:
    """What a server says is wrong, as one short line."""
    text = content[:4000].decode("utf-8", "replace")
    try:
        said = json.loads(text)
        text = str(said["error"]["message"])
    except (ValueError, KeyError, TypeError):
        pass
    return " ".join(text.split())[:200] or "nothing"
