"""The engine against PyTorch: the same directory read by both, the same moves."""

import asyncio
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load

torch = pytest.importorskip("torch", reason="torch is not installed: nothing to compare with")

from model_store.train.export import Origin, export  # noqa: E402
from model_store.train.network import Llama, Shape  # noqa: E402
from service.agent.models import open_model  # noqa: E402
from service.llm.embedded.chat import prompt_ids  # noqa: E402
from service.llm.embedded.engine import EmbeddedModel  # noqa: E402
from service.llm.embedded.grammar import Grammar  # noqa: E402
from service.llm.embedded.network import Floats  # noqa: E402
from service.ports import ChatRequest  # noqa: E402
from tests.llm.embedded.talk import vocabulary  # noqa: E402
from tests.llm.embedded.test_engine import PATIENCE_S, requests_of  # noqa: E402

SHAPE = Shape(vocabulary().size, hidden=96, layers=3, heads=2, intermediate=160, context=2048)
CLOSE = 1e-4
"""How far logits may lie apart: sums in another order."""


@pytest.fixture(scope="module")
def trained() -> Llama:
    """A network with weights large enough that moves differ."""
    torch.set_num_threads(1)
    network = Llama(SHAPE).initialize(torch.Generator().manual_seed(1))
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(1.0 if weight.ndim == 1 else 4.0)
    return network


@pytest.fixture(scope="module")
def directory(trained: Llama, tmp_path_factory: pytest.TempPathFactory) -> Path:
    weights = {name: weight.detach().numpy() for name, weight in trained.state_dict().items()}
    directory = tmp_path_factory.mktemp("models") / "drawn"
    export(directory, SHAPE.config(), weights, Origin("drawn", "1", "chance"))
    return directory


@pytest.fixture(scope="module")
def reference(directory: Path) -> Llama:
    """The network in PyTorch that reads the directory."""
    kept = load((directory / "model.safetensors").read_bytes())
    network = Llama(SHAPE)
    network.load_state_dict({name: torch.from_numpy(weight.astype(np.float32)) for name, weight in kept.items()})
    return network


@cache
def grammar() -> Grammar:
    return Grammar(vocabulary())


def logits(network: Llama, ids: list[int]) -> Floats:
    with torch.no_grad():
        return network.logits(network(torch.tensor([ids]))[0, -1]).numpy()


def greedy(network: Llama, request: ChatRequest) -> tuple[int, ...]:
    """The move that the reference writes: no cache, no batch, every token asked of the whole network."""
    ids = prompt_ids(request.messages, vocabulary())
    state, written = grammar().start(request.allowed, ids), list[int]()
    while not state.done:
        allowed = state.allowed()
        written.append(int(allowed[logits(network, ids + written)[allowed].argmax()]))
        state = state.advance(written[-1])
    return tuple(written)


def test_an_export_holds_the_weights_that_were_trained_as_halves(trained: Llama, directory: Path):
    kept = load((directory / "model.safetensors").read_bytes())
    assert kept.keys() == dict(trained.named_parameters()).keys()
    for name, weight in trained.named_parameters():
        np.testing.assert_array_equal(kept[name], weight.detach().numpy().astype(np.float16))


@given(seed=st.integers(0, 9), data=st.data())
@settings(max_examples=10)
def test_logits_are_those_of_the_reference(reference: Llama, directory: Path, seed: int, data: st.DataObject):
    engine = EmbeddedModel.load(directory)
    request = data.draw(st.sampled_from(requests_of(seed)))
    ids = prompt_ids(request.messages, vocabulary())
    last = engine.network.forward([(engine.network.past(), ids)])[0]
    ours = engine.network.logits(last, np.arange(vocabulary().size, dtype=np.int32))
    np.testing.assert_allclose(ours, logits(reference, ids), rtol=0, atol=CLOSE)


@given(seed=st.integers(0, 9), size=st.integers(1, 6))
@settings(max_examples=6)
def test_moves_are_those_of_the_reference_batched_and_with_prefixes_kept(
    reference: Llama, directory: Path, seed: int, size: int
):
    engine, requests = open_model(directory), requests_of(seed)[:8]
    ours = [
        reply.token_ids
        for start in range(0, len(requests), size)
        for reply in asyncio.run(engine.reply(requests[start : start + size], PATIENCE_S))
    ]
    assert ours == [greedy(reference, request) for request in requests]
