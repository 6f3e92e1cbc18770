"""A model server that is down, hung or answers garbage, met through the real client."""

import asyncio
from collections.abc import Sequence

import pytest

from model_store.ports import held_ports
from service.breaker import Breaker
from service.errors import ModelError
from service.llm.fake_server import FakeServer, Mood
from service.llm.guarded import FAIR_S, GuardedModel
from service.llm.openai import OpenAIModel
from service.llm.scripted import call
from service.llm.server import Endpoint
from service.ports import ChatReply, ChatRequest, Message
from service.telemetry import Meters
from service.tools.specs import TOOL_NAMES, TOOLS
from tests.llm.serving import served
from tests.waiting import LIMIT_S, until

pytestmark = pytest.mark.anyio

REST_S = 30.0
ASKED = [ChatRequest((Message("system", "You look."), Message("user", "root c0")), TOOLS, TOOL_NAMES)]
LOOK = call("search_traces", component="all")


class Guard:
    """A guarded model of a server, a clock that is turned by hand, and what the metrics say."""

    def __init__(self, url: str, failures: int = 2, client: type[OpenAIModel] = OpenAIModel) -> None:
        self.now = 0.0
        self.meters = Meters()
        breaker = Breaker(failures, REST_S, clock=lambda: self.now)
        self.model = GuardedModel(client(Endpoint(url)), self.meters, breaker)

    async def ask(self, timeout_s: float = LIMIT_S) -> Sequence[ChatReply]:
        return await self.model.reply(ASKED, timeout_s)

    @property
    def state(self) -> str:
        told = ("closed", "open", "half-open")
        (state,) = [s for s in told if self._sample("hypocenter_model_breaker", state=s)]
        return state

    def rounds(self, outcome: str) -> float:
        return self._sample("hypocenter_model_rounds_total", outcome=outcome)

    def _sample(self, name: str, **labels: str) -> float:
        return self.meters.registry.get_sample_value(name, labels) or 0.0


async def test_a_server_that_is_down_is_left_alone_after_some_failures() -> None:
    with held_ports(1) as (port,):
        guard = Guard(f"http://127.0.0.1:{port}")
        for _ in range(2):
            with pytest.raises(ModelError, match="failed"):
                await guard.ask()
        assert guard.state == "open"
        with pytest.raises(ModelError, match="left alone"):
            await guard.ask()
    assert (guard.rounds("failed"), guard.rounds("refused")) == (2, 1)


async def test_a_server_that_hangs_costs_its_patience_once_and_nothing_after_that() -> None:
    fake = FakeServer(Mood.HANG)
    with served(fake) as url:
        guard = Guard(url, failures=1)
        with pytest.raises(ModelError, match="within"):
            await guard.ask(timeout_s=1.0)
        asked = len(fake.bodies)
        with pytest.raises(ModelError, match="left alone"):
            await guard.ask()
    assert (guard.state, len(fake.bodies)) == ("open", asked)


class Endless(OpenAIModel):
    """Waits for ever, so that whoever asks is always the first to let go."""

    async def reply(self, requests: Sequence[ChatRequest], timeout_s: float) -> list[ChatReply]:
        await asyncio.Event().wait()
        raise AssertionError


async def test_who_asks_may_be_the_first_to_let_go_of_a_server_that_hangs() -> None:
    guard = Guard("http://localhost", failures=1, client=Endless)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(FAIR_S):
            await guard.ask(timeout_s=FAIR_S)
    assert guard.state == "open"


async def test_who_is_cancelled_while_the_model_thinks_blames_nobody() -> None:
    fake = FakeServer(Mood.HANG)
    with served(fake) as url:
        guard = Guard(url, failures=1)
        asking = asyncio.create_task(guard.ask())
        await until(lambda: bool(fake.bodies))
        asking.cancel()
        await asyncio.wait({asking})
    assert guard.state == "closed"


async def test_a_call_that_was_given_no_time_says_nothing_about_the_model() -> None:
    with served(FakeServer(Mood.HANG)) as url:
        guard = Guard(url, failures=1)
        with pytest.raises(ModelError):
            await guard.ask(timeout_s=0.01)
    assert guard.state == "closed"


async def test_moves_that_nobody_may_make_open_the_breaker_and_are_still_data() -> None:
    with served(FakeServer(replies=[ChatReply(text="hm")])) as url:
        guard = Guard(url)
        for _ in range(2):
            (reply,) = await guard.ask()
            assert reply.call_name == ""
    assert (guard.state, guard.rounds("garbage")) == ("open", 2)


@pytest.mark.parametrize("mood", [Mood.WRONG_JSON, Mood.HTML, Mood.HALF_BODY, Mood.ERROR])
async def test_answers_that_are_none_are_failures(mood: Mood) -> None:
    with served(FakeServer(mood)) as url:
        guard = Guard(url, failures=1)
        with pytest.raises(ModelError):
            await guard.ask()
    assert guard.state == "open"


async def test_after_a_rest_one_call_tries_and_closes_the_breaker() -> None:
    fake = FakeServer(Mood.ERROR, replies=[LOOK])
    with served(fake) as url:
        guard = Guard(url, failures=1)
        with pytest.raises(ModelError):
            await guard.ask()
        guard.now = REST_S
        with pytest.raises(ModelError, match="500"):
            await guard.ask()
        with pytest.raises(ModelError, match="left alone"):
            await guard.ask()
        guard.now = 2 * REST_S
        fake.mood = Mood.FINE
        (reply,) = await guard.ask()
    assert reply.call_name == "search_traces"
    assert (guard.state, guard.rounds("answered")) == ("closed", 1)
    assert guard.model.latency_s > 0
