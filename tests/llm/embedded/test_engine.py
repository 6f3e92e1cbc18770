import asyncio
from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.agent.parser import parse
from service.agent.prompt import SYSTEM
from service.domain.move import Malformed
from service.errors import ModelError
from service.llm.embedded.chat import prompt_ids
from service.llm.embedded.choice import Sampling
from service.llm.embedded.decoding import TOKENS_AT_ONCE
from service.llm.embedded.engine import EmbeddedModel
from service.llm.embedded.network import Fed, Floats, Network
from service.ports import ChatReply, ChatRequest, Message
from service.tools.specs import TOOL_NAMES, TOOLS
from tests.agent.scene import a_view
from tests.llm.embedded import nets
from tests.llm.embedded.nets import SPEAKING, model
from tests.llm.embedded.talk import QUESTION, Aimless, played, vocabulary
from tests.train.playing import Overheard
from tests.waiting import LIMIT_S

PATIENCE_S = LIMIT_S
TOKEN = SPEAKING.token_bytes


def ask(engine: EmbeddedModel, *requests: ChatRequest) -> list[ChatReply]:
    return asyncio.run(engine.reply(requests, PATIENCE_S))


def asked(
    question: str = QUESTION, *more: Message, allowed: Sequence[str] = TOOL_NAMES, max_tokens: int = 256
) -> ChatRequest:
    shown = (Message("system", SYSTEM["aliases"]), Message("user", question), *more)
    return ChatRequest(shown, TOOLS, tuple(allowed), max_tokens)


def went_on(request: ChatRequest, reply: ChatReply, observation: str) -> ChatRequest:
    """The turn after: what was called, what came back."""
    called = Message("assistant", "", call_name=reply.call_name, call_arguments=reply.call_arguments)
    return asked(QUESTION, *request.messages[2:], called, Message("tool", observation))


@cache
def requests_of(seed: int) -> list[ChatRequest]:
    """All that the loop asks a model that moves by chance."""
    heard = Overheard(Aimless(seed))
    played(a_view(), heard)
    return [request for request, _ in heard.turns]


class Counting(Network):
    """Counts the tokens that it computes, and the most at one go."""

    computed = largest = 0

    def forward(self, batch: Sequence[Fed]) -> Floats:
        tokens = sum(len(tokens) for _, tokens in batch)
        self.computed += tokens
        self.largest = max(self.largest, tokens)
        return super().forward(batch)


def counting() -> tuple[EmbeddedModel, Counting]:
    engine = model()
    network = Counting(SPEAKING, nets.weights(SPEAKING))
    engine.network = network
    return engine, network


@given(st.integers(0, 9), st.integers(1, 7))
@settings(max_examples=15)
def test_a_move_is_the_same_alone_in_any_batch_and_with_what_was_kept(seed: int, size: int):
    requests = requests_of(seed)
    batched = model()
    together = [r for i in range(0, len(requests), size) for r in ask(batched, *requests[i : i + size])]
    alone = [ask(model(), request)[0] for request in requests]
    again = [ask(batched, request)[0] for request in requests]
    assert together == alone == again


@given(st.integers(0, 9), st.integers(0, 99), st.sampled_from([None, 0.7, 3.0]))
@settings(max_examples=20)
def test_whatever_it_writes_is_a_move_that_was_allowed(seed: int, weights: int, temperature: float | None):
    engine = model(weights, None if temperature is None else Sampling(temperature, weights))
    requests = requests_of(seed)
    for request, reply in zip(requests, ask(engine, *requests), strict=True):
        assert not isinstance(parse(reply, request.allowed), Malformed)
        assert reply.call_name in request.allowed
        assert reply.completion_tokens == len(reply.token_ids)
        assert reply.prompt_tokens == len(prompt_ids(request.messages, vocabulary()))


def test_what_a_frame_was_shown_before_is_not_computed_again():
    engine, network = counting()
    first = asked()
    reply = ask(engine, first)[0]
    before = network.computed
    ask(engine, went_on(first, reply, "logs all\nnothing unusual"))
    new = len(vocabulary().encode("<|end|><|tool|>logs all\nnothing unusual<|end|><|assistant|>"))
    # What is forced at the end of a move is written without the network: it is fed with what comes after it.
    assert network.computed - before <= new + len(reply.token_ids) + 9


def test_many_long_prompts_are_computed_in_parts():
    engine, network = counting()
    rows = "\n".join(f"e{i} gap c0>c1 s3" for i in range(30))
    ask(engine, *(asked(f"{QUESTION}\n{rows}\ne{i}") for i in range(100, 108)))
    longest = len(prompt_ids(asked(f"{QUESTION}\n{rows}\ne100").messages, vocabulary()))
    assert 2 * longest < TOKENS_AT_ONCE < 8 * longest
    assert network.largest <= max(TOKENS_AT_ONCE, longest)


@pytest.mark.parametrize("room", [0, 1, 700, 2000])
def test_with_little_memory_the_moves_are_the_same(room: int):
    small, large = model(memory_bytes=room * TOKEN), model()
    requests = requests_of(3)
    for start in range(0, len(requests), 4):
        assert ask(small, *requests[start : start + 4]) == ask(large, *requests[start : start + 4])
        assert small.memory_held <= room * TOKEN


def test_a_conversation_that_leaves_no_room_is_answered_with_no_move():
    long = " ".join(["e1"] * 3000)
    full, other = ask(model(), asked(f"{QUESTION}\n{long}"), asked())
    assert full.call_name == full.text == ""
    assert isinstance(parse(full, TOOL_NAMES), Malformed)
    assert other == ask(model(), asked())[0]


def test_a_move_that_the_context_cuts_off_is_no_move():
    length = len(prompt_ids(asked().messages, vocabulary()))
    for room in (1, 2, 3):
        reply = ask(model(context=length + room), asked())[0]
        assert not reply.call_name
        assert len(reply.token_ids) <= room


def test_no_more_tokens_are_written_than_may_be():
    reply = ask(model(), asked(max_tokens=2))[0]
    assert len(reply.token_ids) == 2
    assert not reply.call_name


def test_after_the_time_is_over_it_says_so_and_goes_on_with_the_next_call():
    engine = model()
    first = asked()
    reply = ask(engine, first)[0]
    second = went_on(first, reply, "logs all\nnothing unusual")
    with pytest.raises(ModelError, match=r"the embedded model did not answer within 0\.0 s"):
        asyncio.run(engine.reply([second], 0.0))
    assert ask(engine, second) == ask(model(), second)


def test_a_cancelled_call_leaves_nothing_behind_that_would_change_the_next():
    engine = model()

    async def cancelled() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await engine.reply(requests_of(3) * 20, PATIENCE_S)

    asyncio.run(cancelled())
    assert ask(engine, *requests_of(3)) == ask(model(), *requests_of(3))


def test_other_weights_answer_as_if_there_had_never_been_any():
    engine, requests = model(seed=1), requests_of(4)
    before = ask(engine, *requests)
    engine.network.load_weights(nets.weights(SPEAKING, seed=2))
    after = ask(engine, *requests)
    assert after == ask(model(seed=2), *requests)
    assert after != before


def test_the_same_seed_draws_the_same_moves_however_they_are_batched():
    requests = requests_of(5)
    together = ask(model(choose=Sampling(1.0, 7)), *requests)
    one_by_one = model(choose=Sampling(1.0, 7))
    assert together == [ask(one_by_one, request)[0] for request in requests]
    assert together != ask(model(choose=Sampling(1.0, 8)), *requests)


def test_only_tools_that_are_allowed_are_called():
    for tool in TOOL_NAMES:
        assert {reply.call_name for seed in range(3) for reply in ask(model(seed), asked(allowed=[tool]))} == {tool}


def test_an_alias_that_the_frame_does_not_show_is_never_named():
    for seed in range(5):
        engine = model(seed, Sampling(2.0, seed))
        replies = ask(engine, *[asked("root c7\nalerting c7\ne3 gap c7", allowed=["print_results"])] * 5)
        named = {vocabulary().decode([i]) for reply in replies for i in reply.token_ids}
        assert {word for word in named if word[:1] in ("c", "e", "n") and word[1:].isdigit()} <= {"c7", "e3"}


MARKS = st.sampled_from(["<|end|>", "<|assistant|>", "<|tool|>", "<|user|>", "<|pad|>", "e1", "c0", '"}}', "\n", " "])
Poison = st.lists(MARKS | st.text(max_size=5), max_size=12).map("".join)


@given(Poison, Poison)
def test_no_text_of_strangers_opens_or_ends_a_message(question: str, observation: str):
    called = Message("assistant", "", call_name="search_logs", call_arguments='{"component": "all"}')
    ids = prompt_ids(asked(question, called, Message("tool", observation)).messages, vocabulary())
    words = vocabulary()
    marks = [i for i in ids if i in (words.user, words.assistant, words.tool, words.end, words.pad)]
    end = words.end
    assert marks == [words.user, end, words.assistant, end, words.tool, end, words.assistant]


@given(Poison)
@settings(max_examples=25)
def test_whatever_strangers_write_the_answer_is_a_move(observation: str):
    called = Message("assistant", "", call_name="search_logs", call_arguments='{"component": "all"}')
    reply = ask(model(), asked(QUESTION, called, Message("tool", observation), allowed=["print_results"]))[0]
    assert not isinstance(parse(reply, ("print_results",)), Malformed)


def test_pasts_take_no_more_than_what_is_computed_now_and_what_is_kept():
    engine = model(memory_bytes=4000 * TOKEN)
    for seed in range(4):
        ask(engine, *requests_of(seed))
    assert 0 < engine.memory_held <= 4000 * TOKEN


def test_what_it_is_and_how_it_wants_to_be_asked():
    assert (model(4).identity.version, model().rendering) == ("4", "aliases")
    assert np.isfinite(nets.speaking().forward([(nets.speaking().past(), [1])])).all()
