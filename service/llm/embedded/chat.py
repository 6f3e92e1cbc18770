"""A frame's conversation as the text that the small model reads.

The system message and the tools are left out: they never change, and the prompt id of the model's manifest names them.
The chat template in the model's directory gives the same text, byte for byte, to servers that render it themselves.
"""

from collections.abc import Iterator, Sequence

from service.llm.embedded.vocabulary import ASSISTANT, END, TOOL, USER, Vocabulary
from service.ports import ChatReply, Message

_MARK = {"user": USER, "assistant": ASSISTANT, "tool": TOOL}


def prompt_text(messages: Sequence[Message]) -> str:
    """The whole conversation, to be answered: it ends where the model's next move begins."""
    return "".join(f"{_MARK[role]}{content}{END}" for role, content in _turns(messages)) + ASSISTANT


def prompt_ids(messages: Sequence[Message], vocabulary: Vocabulary) -> list[int]:
    """The same as token ids; marks that stand within a message's content are unknown signs, never marks."""
    mark = {"user": vocabulary.user, "assistant": vocabulary.assistant, "tool": vocabulary.tool}
    ids: list[int] = []
    for role, content in _turns(messages):
        ids += (mark[role], *vocabulary.encode_plain(content), vocabulary.end)
    return [*ids, vocabulary.assistant]


def call_text(name: str, arguments: str) -> str:
    """An assistant's call as it writes it; ``arguments`` are JSON, verbatim."""
    return f'{{"name": "{name}", "arguments": {arguments}}}'


def to_reply(written: Sequence[int], vocabulary: Vocabulary, *, prompt_tokens: int, ended: bool) -> ChatReply:
    """The move that these ids write; one that did not come to its end calls nothing, and its text is told."""
    text = vocabulary.decode(written)
    name, arguments = _called(text) if ended else ("", "")
    return ChatReply(
        call_name=name,
        call_arguments=arguments,
        text="" if name else text,
        prompt_tokens=prompt_tokens,
        completion_tokens=len(written),
        token_ids=tuple(written),
    )


def _called(text: str) -> tuple[str, str]:
    """Tool and arguments, verbatim, of the JSON of a move: the inverse of `call_text`."""
    before, between, after = call_text("\0", "\0").split("\0")
    name, _, arguments = text.removeprefix(before).partition(between)
    return name, arguments.removesuffix(after)


def _turns(messages: Sequence[Message]) -> Iterator[tuple[str, str]]:
    for message in messages:
        if message.role != "system":
            call = call_text(message.call_name, message.call_arguments)
            calling = message.role == "assistant" and message.call_name
            yield message.role, call if calling else message.content
