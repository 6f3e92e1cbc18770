"""Hugging Face's transformers reads the directory as we do: the same ids, the same text, the same greedy moves."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from pydantic import TypeAdapter
from typing_extensions import TypedDict

from service.agent.models import open_model
from service.llm.embedded.chat import prompt_ids, prompt_text
from service.llm.embedded.vocabulary import Vocabulary
from service.ports import ChatRequest
from tests.conftest import REPOSITORY
from tests.train.test_export import on_the_wire, with_objects
from tests.vllm.conftest import Tell
from tests.vllm.incidents import INCIDENTS, answers, requests_of

pytestmark = pytest.mark.timeout(30 * 60)


class Said(TypedDict):
    text: str
    ids: list[int]
    move: list[int]


@pytest.fixture(scope="module")
def requests() -> list[ChatRequest]:
    return [request for incident in INCIDENTS for request in requests_of(incident, seed=2)[::5]]


@pytest.fixture(scope="module")
def said(vllm_python: Path, directory: Path, requests: list[ChatRequest]) -> list[Said]:
    conversations = [{"messages": with_objects(on_the_wire(r.messages)), "allowed": r.allowed} for r in requests]
    asked = json.dumps({"directory": str(directory), "conversations": conversations})
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [str(vllm_python), "-m", "tests.vllm.reference"]
    done = subprocess.run(command, input=asked, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return TypeAdapter(list[Said]).validate_json(done.stdout)


def test_the_chat_template_gives_our_prompt_byte_for_byte(requests: list[ChatRequest], said: list[Said]):
    assert [s["text"] for s in said] == [prompt_text(request.messages) for request in requests]


def test_the_tokenizer_gives_our_ids(directory: Path, requests: list[ChatRequest], said: list[Said]):
    vocabulary = Vocabulary.load(directory)
    assert [s["ids"] for s in said] == [prompt_ids(request.messages, vocabulary) for request in requests]


def test_greedy_generation_writes_our_moves(directory: Path, requests: list[ChatRequest], said: list[Said], tell: Tell):
    ours = [list(reply.token_ids) for reply in answers(open_model(directory), requests)]
    same = sum(one == other["move"] for one, other in zip(ours, said, strict=True))
    tell(f"transformers: {same} of {len(ours)} moves are those of the embedded engine")
    assert ours == [s["move"] for s in said]
