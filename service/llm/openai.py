"""A chat model behind any OpenAI-compatible server: vLLM first, and those that speak a part of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from service.domain.localization import ModelIdentity
from service.llm.openai_wire import Body, Completion, Way, read_completion, tiny_request, to_body, to_reply
from service.llm.server import Endpoint, ModelServer, Refusal
from service.ports import ChatReply, ChatRequest


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a server was found to be able to do."""

    model: str
    way: Way
    allowed_tools: bool = False
    token_ids: bool = False


class OpenAIModel:
    """A `service.ports.ChatModel`. At its first use it finds out what the server can do; then every request of a round
    goes out at once. One that fails costs its frame's turn; only if all fail is the model down (`ModelError`).
    """

    def __init__(self, endpoint: Endpoint, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.endpoint = endpoint
        self.rendering = endpoint.rendering
        self.capabilities: Capabilities | None = None
        self._server = ModelServer(endpoint, transport)

    @property
    def identity(self) -> ModelIdentity:
        """The model's name as the server knows it."""
        found = self.capabilities.model if self.capabilities is not None else ""
        name = self.endpoint.model or found or self._server.host
        return ModelIdentity(name, self.endpoint.version, self.endpoint.sha256)

    async def reply(self, requests: Sequence[ChatRequest], timeout_s: float) -> list[ChatReply]:
        """One move for each conversation, within ``timeout_s`` in all."""
        async with self._server.connected(timeout_s) as client:
            can = self.capabilities or await self._probe(client)
            self.capabilities = can

            async def ask(request: ChatRequest) -> ChatReply:
                return to_reply(await self._complete(client, _body(request, can)), can.way)

            return await self._server.answers(ask, requests)

    async def _probe(self, client: httpx.AsyncClient) -> Capabilities:
        """Ask for the models, then for the smallest call there is, in the best way that the server takes."""
        name = await self._server.model_name(client)
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
        except Refusal:
            return None

    async def _complete(self, client: httpx.AsyncClient, body: Body) -> Completion:
        return read_completion(await self._server.fetch(client, "POST", "/v1/chat/completions", body))


def _body(request: ChatRequest, can: Capabilities) -> Body:
    extras: Body = {"return_token_ids": True} if can.token_ids else {}
    return {"model": can.model, **to_body(request, can.way, allowed_tools=can.allowed_tools), **extras}
