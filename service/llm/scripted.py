import json
from collections import deque
from collections.abc import Mapping, Sequence

from service.domain.localization import ModelIdentity
from service.ports import ChatReply, ChatRequest


def call(tool: str, **arguments: object) -> ChatReply:
    """A reply that calls a tool."""
    return ChatReply(call_name=tool, call_arguments=json.dumps(arguments))


class ScriptedModel:
    """A model that says what it was told to, frame by frame: for tests, and to replay a way.

    ``scripts`` maps a frame's component, as its question writes it (the root's is ``root``), to its replies in order.
    A frame that has run out of them says nothing, which is malformed. What it was asked is kept in ``asked``.
    """

    identity = ModelIdentity("scripted", "1")

    def __init__(self, scripts: Mapping[str, Sequence[ChatReply]], rendering: str = "aliases") -> None:
        self.rendering = rendering
        self.asked: list[list[ChatRequest]] = []
        self._left = {component: deque(replies) for component, replies in scripts.items()}

    async def reply(self, requests: Sequence[ChatRequest], timeout_s: float) -> list[ChatReply]:
        """The next reply of each frame's script."""
        self.asked.append(list(requests))
        return [self._next(_frame_of(request)) for request in requests]

    def _next(self, frame: str) -> ChatReply:
        script = self._left.get(frame)
        return script.popleft() if script else ChatReply()


def _frame_of(request: ChatRequest) -> str:
    """Whom a frame is about, by the first line of its question."""
    question = next((m.content for m in request.messages if m.role == "user"), "")
    who, _, component = question.partition("\n")[0].partition(" ")
    return component.strip('"') if who == "child" else "root"
