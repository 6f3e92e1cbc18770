"""A frame as the conversation that its model sees. Append-only: what is shown in one turn is the beginning of what is
shown in the next, byte for byte, which keeps prefix caches warm online and token masks valid in training.
"""

import json

from service.agent.prompt import SYSTEM
from service.domain.transcript import Frame, Step
from service.ports import ChatReply, Message
from service.tools.specs import TOOL_NAMES

REPLY_LIMIT = 4000  # characters of a reply that are kept: no move that parses is that long


def written(reply: ChatReply) -> str:
    """A reply as it is kept in a transcript: the tool's name and its arguments verbatim, or the text."""
    text = f"{reply.call_name} {reply.call_arguments}" if reply.call_name else reply.text
    return text.encode("utf-8", "replace").decode()[:REPLY_LIMIT]


def messages(frame: Frame, rendering: str) -> tuple[Message, ...]:
    """System prompt, question, and for each step the model's call and the tool's answer."""
    opening = (Message("system", SYSTEM[rendering]), Message("user", frame.question))
    return opening + tuple(m for turn, step in enumerate(frame.steps) for m in _exchange(step, f"f{frame.id}t{turn}"))


def _exchange(step: Step, call_id: str) -> tuple[Message, Message]:
    """A call is answered by its tool; what no server would take back as a call, in plain words."""
    name, _, arguments = step.reply.partition(" ")
    if name in TOOL_NAMES and _is_object(arguments):
        call = Message("assistant", "", call_name=name, call_arguments=arguments, call_id=call_id)
        return call, Message("tool", step.observation, call_name=name, call_id=call_id)
    return Message("assistant", step.reply or "(nothing)"), Message("user", step.observation)


def _is_object(arguments: str) -> bool:
    try:
        return isinstance(json.loads(arguments), dict)
    except (ValueError, RecursionError):
        return False
