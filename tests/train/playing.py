"""Localizations of small synthetic incidents, played with the rules, and what the model was asked on the way."""

import asyncio
from collections.abc import Sequence
from functools import cache

from model_store.simulate.generate import generate
from model_store.train.tokenizer import build_vocabulary
from service.agent.budget import Budget
from service.agent.localize import Outcome, localize
from service.domain.fault import Fault
from service.domain.localization import RankedBy
from service.llm.embedded.grammar import Grammar
from service.llm.embedded.vocabulary import Vocabulary
from service.llm.rules import RulesModel
from service.ports import ChatModel, ChatReply, ChatRequest
from service.view.view import View
from tests.patience import open_patiently


class Overheard:
    """A model that keeps what it was asked and what it replied, turn by turn."""

    def __init__(self, inner: ChatModel) -> None:
        self.inner = inner
        self.identity, self.rendering = inner.identity, inner.rendering
        self.turns: list[tuple[ChatRequest, ChatReply]] = []

    async def reply(self, requests: Sequence[ChatRequest], timeout_s: float) -> list[ChatReply]:
        """What the inner model replies."""
        replies = await self.inner.reply(requests, timeout_s)
        self.turns += zip(requests, replies, strict=True)
        return replies


@cache
def words() -> Vocabulary:
    """The vocabulary."""
    return build_vocabulary()


@cache
def grammar() -> Grammar:
    """Its grammar."""
    return Grammar(words())


@cache
def view_of(seed: int, fault: Fault | None = None, *, healthy: bool = False, services: int = 8) -> View:
    """The view of a synthetic incident."""
    case = generate(seed, services=services, traces=60, fault=fault, healthy=healthy)
    return open_patiently(case.incident, case.telemetry)


def play(view: View, model: ChatModel | None = None, budget: Budget | None = None) -> tuple[Outcome, Overheard]:
    """One localization by a model (by the rules if none is given), and what was heard."""
    heard = Overheard(model or RulesModel())
    outcome = asyncio.run(localize(view, heard, budget or Budget(), rank=RankedBy.MODEL))
    return outcome, heard
