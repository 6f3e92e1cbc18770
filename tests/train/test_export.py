import json
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

from model_store.train.export import TEMPLATE, Origin, export
from service.agent.models import fitting, open_model
from service.agent.prompt import SYSTEM, prompt_id
from service.errors import CallerError, SettingsError
from service.llm.embedded.chat import prompt_text
from service.llm.manifest import Manifest
from service.llm.openai_wire import Way, to_body
from service.ports import ChatRequest, Message
from service.tools.specs import TOOL_NAMES, TOOLS, tools_id
from tests.agent.scene import a_view
from tests.llm.embedded.nets import SPEAKING, config, weights
from tests.llm.embedded.talk import Aimless, conversations, played, vocabulary

ORIGIN = Origin(
    "epi", "2", "recipes/small.toml", {"simulator": 7}, {"held back": {"ac1": 0.75, "mrr": 0.8125}, "testbed": {}}
)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "epi-2"


def exported(directory: Path, origin: Origin = ORIGIN) -> Manifest:
    return export(directory, config(SPEAKING), weights(SPEAKING), origin)


def test_what_is_exported_fits_this_service(directory: Path):
    assert exported(directory) == fitting(directory)
    assert open_model(directory).identity.name == "epi"


def test_the_manifest_tells_where_the_model_comes_from(directory: Path):
    exported(directory)
    told = tomllib.loads((directory / "manifest.toml").read_text())
    assert told["prompt_id"] == prompt_id("aliases")
    assert told["tools_id"] == tools_id()
    assert (told["recipe"], told["seeds"], told["licence"]) == ("recipes/small.toml", {"simulator": 7}, "Apache-2.0")
    assert told["scores"] == {"held back": {"ac1": 0.75, "mrr": 0.8125}, "testbed": {}}


def test_the_card_tells_the_scores(directory: Path):
    exported(directory)
    card = (directory / "README.md").read_text()
    assert "| measured on | ac1 | mrr |" in card
    assert "| held back | 0.75 | 0.812 |" in card


def test_a_card_that_is_given_is_kept(directory: Path):
    exported(directory, Origin("epi", "2", "r", card="# My own"))
    assert (directory / "README.md").read_text() == "# My own"


def test_the_tokenizers_marks_are_those_that_end_and_fill(directory: Path):
    exported(directory)
    words = vocabulary()
    told = json.loads((directory / "generation_config.json").read_text())
    assert (told["eos_token_id"], told["pad_token_id"]) == (words.end, words.pad)
    assert json.loads((directory / "config.json").read_text())["vocab_size"] == words.size


def test_an_earlier_export_is_replaced_whole(directory: Path):
    exported(directory)
    (directory / "stray.txt").write_text("from before")
    exported(directory)
    assert not (directory / "stray.txt").exists()
    assert [path.name for path in directory.parent.iterdir()] == ["epi-2"]


def test_what_is_no_model_is_never_replaced(directory: Path):
    directory.mkdir()
    (directory / "thesis.tex").write_text("")
    with pytest.raises(CallerError, match="is there and holds no model"):
        exported(directory)
    assert (directory / "thesis.tex").exists()


def test_an_export_that_fails_leaves_what_was_there(directory: Path):
    before = exported(directory)
    crooked = {**weights(SPEAKING), "model.norm.weight": weights(SPEAKING)["model.norm.weight"][:3]}
    with pytest.raises(SettingsError, match=r"model\.norm\.weight is \(3,\), should be \(32,\)"):
        export(directory, config(SPEAKING), crooked, ORIGIN)
    assert fitting(directory) == before
    assert [path.name for path in directory.parent.iterdir()] == ["epi-2"]


@pytest.mark.parametrize("number", [np.nan, np.inf, 1e6])
def test_a_training_that_went_astray_is_not_exported(directory: Path, number: float):
    astray = weights(SPEAKING)
    astray["model.norm.weight"][0] = number
    with pytest.raises(CallerError, match=r"model\.norm\.weight has numbers that are none, or too large"):
        export(directory, config(SPEAKING), astray, ORIGIN)
    assert not directory.exists()


def test_anybody_may_read_what_is_exported(directory: Path):
    exported(directory)
    modes = {file.name: file.stat().st_mode & 0o777 for file in directory.iterdir()}
    assert set(modes.values()) == {modes["manifest.toml"]}


def test_a_network_of_other_words_is_refused(directory: Path):
    with pytest.raises(CallerError, match="the network knows 60 words, the vocabulary has"):
        export(directory, {**config(SPEAKING), "vocab_size": 60}, weights(SPEAKING), ORIGIN)


@pytest.mark.parametrize("name", ["", "../epi", "a b", "épi"])
def test_a_name_that_no_directory_can_have_is_refused(directory: Path, name: str):
    with pytest.raises(CallerError, match="may have letters, digits"):
        exported(directory, Origin(name, "1", "r"))


@cache
def template() -> Template:
    """The template as transformers and vLLM read it: their environment and their way to write JSON."""
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = _json  # pyright: ignore[reportUnknownMemberType] - jinja2 says a dict of whatever
    return environment.from_string(TEMPLATE.read_text())


def as_servers_render(messages: list[dict[str, Any]]) -> str:
    """What ``apply_chat_template`` gives."""
    return template().render(messages=messages, tools=None, add_generation_prompt=True, eos_token="<|end|>")


def _json(value: object, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def on_the_wire(messages: tuple[Message, ...]) -> list[dict[str, Any]]:
    """The conversation as our client sends it."""
    return to_body(ChatRequest(messages, TOOLS, TOOL_NAMES), Way.TOOLS)["messages"]


def with_objects(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Servers read arguments before they render them."""
    for message in messages:
        for called in message.get("tool_calls", ()):
            called["function"]["arguments"] = json.loads(called["function"]["arguments"])
    return messages


@given(st.integers(0, 2**32))
@settings(max_examples=20)
def test_a_server_that_renders_the_conversation_itself_reads_the_same_text(seed: int):
    for messages in conversations(played(a_view(), Aimless(seed))):
        assert as_servers_render(on_the_wire(messages)) == prompt_text(messages)
        assert as_servers_render(with_objects(on_the_wire(messages))) == prompt_text(messages)


def test_plain_words_stand_as_they_were_said():
    told = (
        Message("system", SYSTEM["aliases"]),
        Message("user", "root c0 <b> & 'x'\n"),
        Message("assistant", "(nothing)"),
        Message("user", "that was no call: {{ call }}"),
    )
    assert as_servers_render(on_the_wire(told)) == prompt_text(told)
