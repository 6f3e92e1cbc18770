"""What every `service.ports.ChatModel` keeps to, whatever stands behind it."""

import asyncio
import json
from collections.abc import Callable, Iterator

import pytest

from service.agent.localize import localize
from service.agent.prompt import SYSTEM
from service.domain.localization import Stop
from service.llm.completions import CompletionsModel
from service.llm.embedded.choice import Pick
from service.llm.embedded.network import Ids
from service.llm.fake_server import FakeServer, Mood
from service.llm.openai import OpenAIModel
from service.llm.rules import RulesModel
from service.llm.scripted import ScriptedModel, call
from service.llm.server import Endpoint
from service.ports import ChatModel, ChatRequest, Message
from service.tools.specs import TOOL_NAMES, TOOLS
from tests.agent.scene import a_view
from tests.llm.embedded.nets import model
from tests.llm.embedded.talk import vocabulary
from tests.llm.serving import served
from tests.waiting import LIMIT_S

LOOK = call("search_traces", component="all")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with served(FakeServer(replies=[LOOK])) as url:
        yield url


@pytest.fixture(scope="module")
def plain_server() -> Iterator[str]:
    with served(FakeServer(Mood.TEXT_ONLY, replies=[LOOK])) as url:
        yield url


class First:
    """Takes the first thing that the grammar allows: the first tool, for all components."""

    def begin(self, prompt: Ids) -> Pick:
        return lambda logits: 0


MakeModel = Callable[[], ChatModel]


@pytest.fixture(params=["scripted", "rules", "embedded", "openai", "openai-in-plain-text", "completions"])
def make(request: pytest.FixtureRequest, server: str, plain_server: str) -> MakeModel:
    makers: dict[str, MakeModel] = {
        "scripted": lambda: ScriptedModel({"root": [LOOK] * 9}),
        "rules": RulesModel,
        "embedded": lambda: model(choose=First()),
        "openai": lambda: OpenAIModel(Endpoint(server, rendering="aliases")),
        "openai-in-plain-text": lambda: OpenAIModel(Endpoint(plain_server, rendering="aliases")),
        "completions": lambda: CompletionsModel(Endpoint(server, "tiny"), vocabulary(), context=2048),
    }
    return makers[request.param]


def asked(allowed: tuple[str, ...] = TOOL_NAMES) -> ChatRequest:
    return ChatRequest((Message("system", SYSTEM["aliases"]), Message("user", "root c0")), TOOLS, allowed)


def test_it_answers_every_request_in_their_order(make: MakeModel):
    replies = asyncio.run(make().reply([asked(), asked(), asked()], timeout_s=LIMIT_S))
    assert [(r.call_name, json.loads(r.call_arguments)) for r in replies] == [
        ("search_traces", {"component": "all"})
    ] * 3


def test_it_answers_nothing_to_nothing(make: MakeModel):
    assert asyncio.run(make().reply([], timeout_s=LIMIT_S)) == []


def test_it_says_what_it_is_and_in_which_words_to_ask_it(make: MakeModel):
    made = make()
    assert made.identity.name
    assert made.rendering in ("aliases", "names")


def test_it_can_be_asked_from_one_event_loop_after_another(make: MakeModel):
    made = make()
    first = asyncio.run(made.reply([asked()], timeout_s=LIMIT_S))
    assert asyncio.run(made.reply([asked()], timeout_s=LIMIT_S)) == first


def test_a_localization_with_it_ends_with_an_answer(make: MakeModel):
    outcome = asyncio.run(localize(a_view(), make()))
    assert outcome.localization.stop in (Stop.ANSWERED, Stop.OUT_OF_TURNS)
    assert outcome.localization.causes
