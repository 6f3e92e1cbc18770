"""Recorded incidents, and what a model is asked on its way through one."""

import asyncio
from functools import cache
from typing import Final

from model_store.evaluate.run import open_case
from service.agent.budget import Budget
from service.agent.localize import Outcome, localize
from service.domain.localization import RankedBy
from service.ports import ChatModel, ChatReply, ChatRequest
from service.view.view import View
from tests.conftest import REPOSITORY
from tests.llm.embedded.talk import Aimless
from tests.train.playing import Overheard

PATIENCE_S: Final = 600.0
INCIDENTS: Final = ("bookshop/bookshop-02", "mealrun/mealrun-04", "ticketbox/ticketbox-03")


@cache
def view_of(incident: str) -> View:
    """The incident as the service opens it."""
    return asyncio.run(open_case(REPOSITORY / "tests" / "cases" / incident)).view


def played(incident: str, model: ChatModel) -> Outcome:
    """How a model localizes it, however long that takes."""
    budget = Budget(reply_timeout_s=PATIENCE_S)
    return asyncio.run(localize(view_of(incident), model, budget, rank=RankedBy.MODEL))


@cache
def requests_of(incident: str, seed: int) -> list[ChatRequest]:
    """All that is asked of a model that moves by chance: it comes to places that one model would not."""
    heard = Overheard(Aimless(seed))
    played(incident, heard)
    return [request for request, _ in heard.turns]


def answers(model: ChatModel, requests: list[ChatRequest], at_once: int = 8) -> list[ChatReply]:
    """A model's moves."""
    return [
        reply
        for start in range(0, len(requests), at_once)
        for reply in asyncio.run(model.reply(requests[start : start + at_once], PATIENCE_S))
    ]
