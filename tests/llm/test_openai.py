import asyncio
import json
from pathlib import Path

import pytest

from service.errors import ModelError
from service.llm.fake_server import FakeServer, Mood
from service.llm.openai import Capabilities, OpenAIModel
from service.llm.openai_wire import Way
from service.llm.scripted import call
from service.llm.server import Endpoint
from service.ports import ChatReply, ChatRequest, Message
from service.tools.specs import TOOL_NAMES, TOOLS
from tests.llm.serving import served

LOOK = call("search_traces", component="all")


def asked(*allowed: str) -> ChatRequest:
    messages = (
        Message("system", "You look."),
        Message("user", "root c0"),
        Message("assistant", "", call_name="search_logs", call_arguments='{"component":  "all"}', call_id="f0t0"),
        Message("tool", "logs all\nnothing unusual", call_name="search_logs", call_id="f0t0"),
    )
    return ChatRequest(messages, TOOLS, allowed or TOOL_NAMES)


def talk(fake: FakeServer, *requests: ChatRequest, timeout_s: float = 10.0, **endpoint: object):
    with served(fake) as url:
        model = OpenAIModel(Endpoint(url, **endpoint))  # pyright: ignore[reportArgumentType]
        replies = asyncio.run(model.reply(list(requests) or [asked()], timeout_s))
    return model, replies


def test_a_call_comes_back_with_its_tokens():
    model, replies = talk(FakeServer(replies=[LOOK]))
    assert replies == [ChatReply("search_traces", '{"component": "all"}', "", 11, 3, (1, 2, 3))]
    assert model.capabilities == Capabilities("tiny", Way.TOOLS, allowed_tools=True, token_ids=True)
    assert model.identity.name == "tiny"


def test_tools_are_strict_and_only_one_call_is_asked_for():
    fake = FakeServer(replies=[LOOK])
    talk(fake)
    body = fake.bodies[-1]
    assert (body["tool_choice"], body["parallel_tool_calls"], body["temperature"]) == ("required", False, 0)
    assert [t["function"]["name"] for t in body["tools"]] == list(TOOL_NAMES)
    assert all(t["function"]["strict"] for t in body["tools"])


def test_a_call_made_before_goes_back_byte_for_byte():
    fake = FakeServer(replies=[LOOK])
    talk(fake)
    made, answer = fake.bodies[-1]["messages"][2:]
    assert made["tool_calls"][0]["function"] == {"name": "search_logs", "arguments": '{"component":  "all"}'}
    assert (answer["role"], answer["tool_call_id"]) == ("tool", made["tool_calls"][0]["id"])


def test_what_is_allowed_is_told_as_well_as_the_server_understands_it():
    fake = FakeServer(replies=[LOOK])
    talk(fake, asked("report_verdict"))
    assert fake.bodies[-1]["tool_choice"]["function"] == {"name": "report_verdict"}
    talk(fake, asked("search_logs", "report_verdict"))
    assert fake.bodies[-1]["tool_choice"]["type"] == "allowed_tools"
    strict = FakeServer(Mood.STRICT_BODY, replies=[LOOK])
    model, _ = talk(strict, asked("search_logs", "report_verdict"))
    assert strict.bodies[-1]["tool_choice"] == "required"
    assert "return_token_ids" not in strict.bodies[-1]
    assert model.capabilities == Capabilities("tiny", Way.TOOLS)


@pytest.mark.parametrize(
    ("mood", "way"),
    [(Mood.NO_TOOLS, Way.JSON_SCHEMA), (Mood.TEXT_ONLY, Way.JSON_TEXT), (Mood.IGNORES_TOOLS, Way.JSON_SCHEMA)],
)
def test_a_server_without_tools_answers_in_json(mood: Mood, way: Way):
    fake = FakeServer(mood, replies=[LOOK])
    model, replies = talk(fake, asked("search_traces", "report_verdict"))
    assert model.capabilities is not None
    assert model.capabilities.way is way
    assert (replies[0].call_name, json.loads(replies[0].call_arguments)) == ("search_traces", {"component": "all"})
    body = fake.bodies[-1]
    assert "tools" not in body
    assert body["messages"][-1]["content"].endswith("(call search_traces or report_verdict)")
    assert ("response_format" in body) == (way is Way.JSON_SCHEMA)


def test_prose_is_no_call():
    assert talk(FakeServer(replies=[ChatReply(text="I think it is DNS")]))[1][0].text == "I think it is DNS"


@pytest.mark.parametrize(
    ("mood", "line"),
    [
        (Mood.ERROR, "answered 500: CUDA is out of memory"),
        (Mood.HTML, "no chat completion: body: Invalid JSON"),
        (Mood.HALF_BODY, "no chat completion: body: Invalid JSON"),
        (Mood.WRONG_JSON, "no chat completion: choices: Input should be a valid array"),
        (Mood.HUGE, "longer than 2000000 bytes"),
    ],
)
def test_a_server_in_trouble_is_one_line(mood: Mood, line: str):
    with pytest.raises(ModelError, match=line) as error:
        talk(FakeServer(mood, replies=[LOOK]))
    assert "\n" not in str(error.value)


def test_a_hanging_server_costs_its_time_and_no_more():
    with pytest.raises(ModelError, match=r"did not answer within 0\.3 s"):
        talk(FakeServer(Mood.HANG), timeout_s=0.3)


def test_a_server_that_is_not_there_is_one_line():
    with pytest.raises(ModelError, match="ConnectError"):
        asyncio.run(OpenAIModel(Endpoint("http://127.0.0.1:9")).reply([asked()], 5.0))


def test_a_request_that_fails_costs_its_own_turn_only():
    fake = FakeServer(replies=[LOOK])
    with served(fake) as url:
        model = OpenAIModel(Endpoint(url, concurrency=1))
        asyncio.run(model.reply([asked()], 10.0))
        fake.mood = Mood.BUSY_ONCE
        replies = asyncio.run(model.reply([asked()] * 4, 10.0))
    assert sorted(r.call_name for r in replies) == ["", "", "search_traces", "search_traces"]


def test_the_key_is_sent_and_a_wrong_one_is_told(tmp_path: Path):
    key = tmp_path / "key"
    key.write_text("k\n", encoding="utf-8")
    assert talk(FakeServer(replies=[LOOK], api_key="k"), api_key_file=key)[1][0].call_name == "search_traces"
    with pytest.raises(ModelError, match="answered 401: wrong api key"):
        talk(FakeServer(replies=[LOOK], api_key="another"), api_key_file=key)


def test_a_key_that_was_rotated_is_taken_up(tmp_path: Path):
    key = tmp_path / "key"
    key.write_text("old", encoding="utf-8")
    fake = FakeServer(replies=[LOOK], api_key="old")
    with served(fake) as url:
        model = OpenAIModel(Endpoint(url, api_key_file=key))
        asyncio.run(model.reply([asked()], 10.0))
        fake.api_key = "new"
        key.write_text("new", encoding="utf-8")
        assert asyncio.run(model.reply([asked()], 10.0))[0].call_name == "search_traces"


def test_a_key_that_cannot_be_read_is_one_line(tmp_path: Path):
    with pytest.raises(ModelError, match="cannot be read from"):
        talk(FakeServer(replies=[LOOK]), api_key_file=tmp_path / "none")


def test_a_model_that_is_not_served_is_told_with_those_that_are():
    with pytest.raises(ModelError, match="does not serve giant: it has tiny"):
        talk(FakeServer(replies=[LOOK]), model="giant")


def test_a_server_without_a_list_of_models_takes_our_word():
    model, replies = talk(FakeServer(replies=[LOOK], models=None), model="mine")
    assert (model.identity.name, replies[0].call_name) == ("mine", "search_traces")


def test_credentials_in_an_address_are_not_repeated():
    with pytest.raises(ModelError) as error:
        asyncio.run(OpenAIModel(Endpoint("http://user:secret@127.0.0.1:9/v1")).reply([asked()], 5.0))
    assert "secret" not in str(error.value)
