"""Our own model behind a server that completes token ids: the moves are the embedded engine's, to the token."""

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.agent.localize import localize
from service.domain.localization import RankedBy
from service.errors import ModelError
from service.llm.completions import CompletionsModel
from service.llm.embedded.chat import prompt_ids
from service.llm.fake_server import FakeServer, Mood, NextToken
from service.llm.server import Endpoint
from service.ports import ChatReply, ChatRequest
from tests.agent.scene import a_view
from tests.llm.embedded.nets import model, speaking
from tests.llm.embedded.talk import vocabulary
from tests.llm.embedded.test_engine import PATIENCE_S, asked, requests_of
from tests.llm.serving import served

CONTEXT = 2048


def likeliest(seed: int) -> NextToken:
    """What a server says that computes the whole network anew for every token."""
    network = speaking(seed)

    def token(ids: Sequence[int], allowed: Sequence[int]) -> int:
        last = network.forward([(network.past(), ids)])[0]
        return allowed[int(network.logits(last, np.array(allowed, np.int32)).argmax())]

    return token


def client(url: str, context: int = CONTEXT, **endpoint: object) -> CompletionsModel:
    told = Endpoint(url, "tiny", "3", "ab12", **endpoint)  # pyright: ignore[reportArgumentType]
    return CompletionsModel(told, vocabulary(), context)


def talk(
    fake: FakeServer, *requests: ChatRequest, timeout_s: float = PATIENCE_S, context: int = CONTEXT
) -> list[ChatReply]:
    with served(fake) as url:
        return asyncio.run(client(url, context).reply(requests or [asked()], timeout_s))


@given(seed=st.integers(0, 9), size=st.integers(1, 6))
@settings(max_examples=6)
def test_moves_are_those_of_the_embedded_engine(seed: int, size: int):
    requests = requests_of(seed)[:size]
    ours = asyncio.run(model(seed).reply(requests, PATIENCE_S))
    assert talk(FakeServer(next_token=likeliest(seed)), *requests) == ours


def test_a_whole_localization_is_that_of_the_embedded_engine():
    with served(FakeServer(next_token=likeliest(2))) as url:
        theirs = asyncio.run(localize(a_view(), client(url), rank=RankedBy.MODEL))
    ours = asyncio.run(localize(a_view(), model(2), rank=RankedBy.MODEL))
    assert theirs.transcript.frames == ours.transcript.frames
    assert theirs.localization.causes == ours.localization.causes


def test_only_choices_are_asked_for_after_the_ids_of_all_that_stands_before_them():
    fake = FakeServer()
    (reply,) = talk(fake, asked(allowed=("search_logs",)))
    prompt = prompt_ids(asked().messages, vocabulary())
    (body,) = fake.bodies
    opening, component, *end = reply.token_ids
    assert body["prompt"] == [*prompt, opening]
    assert component in body["allowed_token_ids"]
    assert len(end) == 2
    assert (body["max_tokens"], body["temperature"], body["model"]) == (1, 0, "tiny")


@pytest.mark.parametrize("limits", [{"context": 30}, {"context": 27}, {"context": 20}, {"max_tokens": 3}])
def test_a_move_that_has_no_room_is_cut_off_where_the_embedded_engine_cuts_it(limits: dict[str, int]):
    context, max_tokens = limits.get("context", CONTEXT), limits.get("max_tokens", 256)
    request = asked(allowed=("print_results",), max_tokens=max_tokens)
    ours = asyncio.run(model(1, context=context).reply([request], PATIENCE_S))
    assert not ours[0].call_name
    assert talk(FakeServer(next_token=likeliest(1)), request, context=context) == ours


@pytest.mark.parametrize(
    ("mood", "line"),
    [
        (Mood.ERROR, "answered 500: CUDA is out of memory"),
        (Mood.HTML, "no completion of one token: body: Invalid JSON"),
        (Mood.HALF_BODY, "no completion of one token: body: Invalid JSON"),
        (Mood.WRONG_JSON, "no completion of one token: choices: Input should be a valid array"),
        (Mood.HUGE, "longer than 2000000 bytes"),
        (Mood.STRICT_BODY, "answered 400: unknown parameter"),
        (Mood.TEXT_ALONE, r"choices\.0\.token_ids: Field required"),
        (Mood.WRITES_ANYTHING, "was not allowed: it has to know allowed_token_ids"),
    ],
)
def test_a_server_in_trouble_or_of_another_kind_is_one_line(mood: Mood, line: str):
    with pytest.raises(ModelError, match=line) as error:
        talk(FakeServer(mood))
    assert "\n" not in str(error.value)


def test_a_hanging_server_costs_its_time_and_no_more():
    with pytest.raises(ModelError, match=r"did not answer within 0\.3 s"):
        talk(FakeServer(Mood.HANG), timeout_s=0.3)


def test_a_token_that_fails_costs_its_own_frames_turn_only():
    request = asked(allowed=("search_logs",))  # one choice: one request a move
    with served(FakeServer(Mood.BUSY_ONCE)) as url:
        replies = asyncio.run(client(url, concurrency=1).reply([request] * 4, PATIENCE_S))
    assert [reply.call_name for reply in replies] == ["search_logs", "", "search_logs", ""]


def test_a_server_that_serves_another_model_is_told_with_what_it_has():
    with pytest.raises(ModelError, match="does not serve tiny: it has giant"):
        talk(FakeServer(models=("giant",)))
