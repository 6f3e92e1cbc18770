"""A small OpenAI-compatible server, as good or as bad as it is told to be: beside the real client, for tests."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from service.ports import ChatReply

_HANG_S = 30.0

NextToken = Callable[[Sequence[int], Sequence[int]], int]
"""One of the allowed ids, by the ids before it."""


class Mood(StrEnum):
    """What a server does with a chat completion."""

    FINE = "fine"
    NO_TOOLS = "no-tools"  # 400 for tools, takes a JSON schema
    TEXT_ONLY = "text-only"  # 400 for tools and for schemas
    IGNORES_TOOLS = "ignores-tools"  # takes them and answers in prose or JSON text
    STRICT_BODY = "strict-body"  # 400 for what the API's specification does not know: token ids, allowed tools
    HANG = "hang"
    ERROR = "error"
    HTML = "html"
    HALF_BODY = "half-body"
    WRONG_JSON = "wrong-json"
    HUGE = "huge"
    BUSY_ONCE = "busy-once"  # every second completion fails
    WRITES_ANYTHING = "writes-anything"  # takes a list of allowed tokens and writes another
    TEXT_ALONE = "text-alone"  # tells no ids, as the API's specification has it


@dataclass(slots=True)
class FakeServer:
    """Answers chats with the given replies in turn, the last one for ever, and token ids with the next token;
    ``bodies`` keeps what it was asked.
    """

    mood: Mood = Mood.FINE
    replies: Sequence[ChatReply] = ()
    models: Sequence[str] | None = ("tiny",)
    api_key: str = ""
    next_token: NextToken = lambda ids, allowed: allowed[0]
    bodies: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    given: int = 0

    def app(self) -> Starlette:
        """The ASGI application."""
        chat = Route("/v1/chat/completions", self._completions, methods=["POST"])
        plain = Route("/v1/completions", self._completions, methods=["POST"])
        return Starlette(routes=[Route("/v1/models", self._models), chat, plain])

    async def _models(self, request: Request) -> Response:
        if not self._may(request):
            return _problem(401, "wrong api key")
        if self.models is None:
            return _problem(404, "no such path")
        return JSONResponse({"object": "list", "data": [{"id": name, "object": "model"} for name in self.models]})

    async def _completions(self, request: Request) -> Response:
        body = await request.json()
        self.bodies.append(body)
        if not self._may(request):
            return _problem(401, "wrong api key")
        match self.mood:
            case Mood.HANG:
                await asyncio.sleep(_HANG_S)
                return _problem(503, "too late")
            case Mood.ERROR:
                return _problem(500, "CUDA is\nout of memory")
            case Mood.HTML:
                return Response("<html>a proxy's page</html>", media_type="text/html")
            case Mood.HALF_BODY:
                return Response(json.dumps(self._completion(body))[:60], media_type="application/json")
            case Mood.WRONG_JSON:
                return JSONResponse({"choices": "none"})
            case Mood.HUGE:
                return JSONResponse({"padding": "x" * 5_000_000})
            case Mood.BUSY_ONCE if len(self.bodies) % 2 == 0:
                return _problem(503, "busy")
            case _:
                refusal = self._refusal(body)
                return refusal or JSONResponse(self._completion(body))

    def _may(self, request: Request) -> bool:
        return not self.api_key or request.headers.get("authorization") == f"Bearer {self.api_key}"

    def _refusal(self, body: dict[str, Any]) -> Response | None:
        if self.mood in (Mood.NO_TOOLS, Mood.TEXT_ONLY) and "tools" in body:
            return _problem(400, "tools are not supported")
        if self.mood is Mood.TEXT_ONLY and "response_format" in body:
            return _problem(400, "response_format is not supported")
        choice = body.get("tool_choice")
        unknown = "return_token_ids" in body or (isinstance(choice, dict) and "allowed_tools" in choice)
        return _problem(400, "unknown parameter") if self.mood is Mood.STRICT_BODY and unknown else None

    def _completion(self, body: dict[str, Any]) -> dict[str, Any]:
        return self._one_token(body) if "prompt" in body else self._chat(body)

    def _one_token(self, body: dict[str, Any]) -> dict[str, Any]:
        allowed = body["allowed_token_ids"]
        token = max(allowed) + 1 if self.mood is Mood.WRITES_ANYTHING else self.next_token(body["prompt"], allowed)
        told = body["return_token_ids"] and self.mood is not Mood.TEXT_ALONE
        choice = {"index": 0, "finish_reason": "length", "text": "?", **({"token_ids": [token]} if told else {})}
        return {"id": "1", "object": "text_completion", "model": "tiny", "choices": [choice]}

    def _chat(self, body: dict[str, Any]) -> dict[str, Any]:
        reply = self._next(body)
        choice: dict[str, Any] = {"index": 0, "finish_reason": "stop", "message": self._message(body, reply)}
        if body.get("return_token_ids"):
            choice["token_ids"] = [1, 2, 3]
        usage = {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}
        return {"id": "1", "object": "chat.completion", "model": "tiny", "choices": [choice], "usage": usage}

    def _next(self, body: dict[str, Any]) -> ChatReply:
        if body["max_tokens"] == 64 and body["messages"][-1]["content"].startswith("Ready?"):  # the client's probe
            return ChatReply(call_name="ready", call_arguments="{}")
        reply = self.replies[min(self.given, len(self.replies) - 1)] if self.replies else ChatReply(text="hm")
        self.given += 1
        return reply

    def _message(self, body: dict[str, Any], reply: ChatReply) -> dict[str, Any]:
        if not reply.call_name:
            return {"role": "assistant", "content": reply.text}
        if "tools" not in body or self.mood is Mood.IGNORES_TOOLS:
            text = json.dumps({"tool": reply.call_name, "arguments": json.loads(reply.call_arguments)})
            return {"role": "assistant", "content": text}
        function = {"name": reply.call_name, "arguments": reply.call_arguments}
        return {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "a", "type": "function", "function": function}],
        }


def _problem(status: int, message: str) -> Response:
    return JSONResponse({"error": {"message": message, "type": "error", "code": status}}, status)
