"""Conversations of the aliases rendering, as the loop makes them."""

import asyncio
import json
import random
from collections.abc import Sequence
from functools import cache

from model_store.train.tokenizer import build_vocabulary
from service.agent.budget import Budget
from service.agent.localize import localize
from service.agent.renderer import messages
from service.domain.localization import ModelIdentity, RankedBy
from service.domain.transcript import Transcript
from service.llm.embedded.chat import prompt_ids
from service.llm.embedded.grammar import Grammar, State
from service.llm.embedded.vocabulary import Vocabulary
from service.llm.rules import RulesModel
from service.ports import ChatModel, ChatReply, ChatRequest, Message
from service.view.view import View

COMPONENTS = ("c0", "c1", "c2", "c15", "c511", "n0", "n1", "n127")
ROWS = ("e0", "e1", "e2", "e9", "e41", "e100", "e1023")
QUESTION = "root c0\nalerting c0\ncomponents 16 services 2 nodes: c0 to c15 and n0 to n1\nsignals traces metrics"


@cache
def vocabulary() -> Vocabulary:
    """The one that training makes."""
    return build_vocabulary()


def played(view: View, model: ChatModel | None = None, budget: Budget | None = None) -> Transcript:
    """How a model, else the rules, localizes a view."""
    told = model or RulesModel()
    outcome = asyncio.run(localize(view, told, budget or Budget(), rank=RankedBy.MODEL))
    return outcome.transcript


class Aimless:
    """A model that writes whatever the grammar lets it, by chance."""

    rendering = "aliases"
    identity = ModelIdentity("aimless", "1")

    def __init__(self, seed: int) -> None:
        self.grammar = Grammar(vocabulary())
        self.chance = random.Random(seed)

    async def reply(self, requests: Sequence[ChatRequest], timeout_s: float) -> list[ChatReply]:
        """A move for each frame."""
        return [self._move(request) for request in requests]

    def _move(self, request: ChatRequest) -> ChatReply:
        prompt = prompt_ids(request.messages, vocabulary())
        ids = self.write(self.grammar.start(request.allowed, prompt))
        return as_reply(ids, len(prompt))

    def write(self, state: State) -> list[int]:
        """Any way through the grammar."""
        ids: list[int] = []
        while not state.done:
            ids.append(self.chance.choice(state.allowed().tolist()))
            state = state.advance(ids[-1])
        return ids


def as_reply(ids: Sequence[int], prompt_tokens: int = 0) -> ChatReply:
    """A completion as an engine hands it over: the arguments verbatim, as the model wrote them."""
    text = vocabulary().decode(ids)
    name = str(json.loads(text)["name"])
    arguments = text.removeprefix(f'{{"name": "{name}", "arguments": ').removesuffix("}")
    return ChatReply(name, arguments, "", prompt_tokens, len(ids), tuple(ids))


def conversations(transcript: Transcript) -> list[tuple[Message, ...]]:
    """What each frame's model saw last, its own last move included."""
    return [messages(frame, transcript.rendering) for frame in transcript.frames]
