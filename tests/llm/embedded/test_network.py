from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.llm.embedded.network import AT_ONCE, Floats, Network, Shape
from tests.llm.embedded.nets import SMALL, network, weights

NET = network()
EVERY = np.arange(SMALL.vocabulary, dtype=np.int32)

Tokens = st.lists(st.integers(0, SMALL.vocabulary - 1), min_size=1, max_size=40)


def said(net: Network, tokens: list[int]) -> Floats:
    """Logits after the tokens, computed at one go and without any past."""
    return net.logits(net.forward([(net.past(), tokens)])[0], np.arange(net.shape.vocabulary, dtype=np.int32))


def same(one: Floats, other: Floats) -> None:
    np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4 * float(np.abs(other).max()))


@given(Tokens, st.lists(st.integers(0, 40), max_size=5))
def test_what_was_kept_says_the_same_as_computing_everything(tokens: list[int], cuts: list[int]):
    past = NET.past()
    places = sorted({0, len(tokens), *(c for c in cuts if c < len(tokens))})
    last = [NET.forward([(past, tokens[start:stop])])[0] for start, stop in pairwise(places)][-1]
    assert past.length == len(tokens)
    same(NET.logits(last, EVERY), said(NET, tokens))


@given(st.lists(Tokens, min_size=1, max_size=5), Tokens)
def test_a_batch_says_the_same_as_one_by_one(before: list[list[int]], more: list[int]):
    pasts = [NET.past() for _ in before]
    for past, tokens in zip(pasts, before, strict=True):
        NET.forward([(past, tokens)])
    new = [more[i % len(more) :] for i in range(len(before))]
    together = NET.forward(list(zip(pasts, new, strict=True)))
    for last, tokens, added in zip(together, before, new, strict=True):
        same(NET.logits(last, EVERY), said(NET, tokens + added))


def test_a_long_sequence_says_the_same_fed_at_one_go_and_token_by_token():
    tokens = np.random.default_rng(3).integers(0, SMALL.vocabulary, 2 * AT_ONCE + 7).tolist()
    past = NET.past(room=1)
    last = [NET.forward([(past, [token])])[0] for token in tokens][-1]
    same(NET.logits(last, EVERY), said(NET, tokens))


def test_a_past_that_is_shortened_goes_on_from_there():
    past = NET.past()
    NET.forward([(past, [1, 2, 3, 4, 5])])
    past.length = 3
    same(NET.logits(NET.forward([(past, [9])])[0], EVERY), said(NET, [1, 2, 3, 9]))


def test_where_a_token_stands_matters():
    assert not np.allclose(said(NET, [1, 2, 3]), said(NET, [2, 1, 3]), rtol=0.01)


def test_only_the_logits_that_are_asked_for_are_told_in_their_order():
    last = NET.forward([(NET.past(), [1, 2])])[0]
    np.testing.assert_allclose(NET.logits(last, EVERY[[7, 3]]), NET.logits(last, EVERY)[[7, 3]], rtol=1e-5)


def test_other_weights_are_taken_in_place():
    net, other = network(seed=1), network(seed=2)
    net.load_weights(weights(seed=2))
    assert net.generation == other.generation + 1
    np.testing.assert_array_equal(said(net, [1, 2, 3]), said(other, [1, 2, 3]))


def test_weights_are_copied_so_that_a_trainer_may_go_on_changing_its_own():
    given_weights = weights()
    net = Network(SMALL, given_weights)
    for weight in given_weights.values():
        weight += 1
    np.testing.assert_array_equal(said(net, [1, 2, 3]), said(NET, [1, 2, 3]))


def test_very_large_gates_do_not_overflow():
    large = {name: w * (300 if "gate_proj" in name else 1) for name, w in weights().items()}
    assert np.isfinite(said(Network(SMALL, large), [1, 2, 3])).all()


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"model.norm.weight": None}, "model.norm.weight is missing"),
        ({"model.embed_tokens.weight": np.zeros((3, 4), np.float32)}, r"is \(3, 4\), should be \(60, 48\)"),
    ],
)
def test_weights_that_do_not_fit_are_refused(change: dict[str, Floats | None], line: str):
    changed = {name: w for name, w in (weights() | change).items() if w is not None}
    with pytest.raises(ValueError, match=line):
        Network(SMALL, changed)


def test_keys_and_values_take_what_the_shape_says():
    assert NET.past(100).bytes == 100 * SMALL.token_bytes


@pytest.mark.parametrize("heads", [1, 3])
def test_it_equals_the_network_that_is_trained(heads: int):
    torch = pytest.importorskip("torch", reason="torch is not installed: nothing to compare with")
    from model_store.train.network import Llama
    from model_store.train.network import Shape as TrainedShape

    sizes = {"vocabulary": 60, "hidden": 48, "layers": 3, "heads": heads, "intermediate": 80, "context": 64}
    shape = Shape(**sizes)
    reference = Llama(TrainedShape(**sizes))
    reference.load_state_dict({name: torch.from_numpy(w) for name, w in weights(shape).items()})
    tokens = np.random.default_rng(5).integers(0, 60, 50).tolist()
    with torch.no_grad():
        expected = reference.logits(reference(torch.tensor([tokens])))[0].numpy()
    net = Network(shape, weights(shape))
    for length in (1, 2, 17, 50):
        same(said(net, tokens[:length]), expected[length - 1])


def test_it_equals_transformers():
    torch = pytest.importorskip("torch", reason="torch is not installed: nothing to compare with")
    transformers = pytest.importorskip("transformers", reason="transformers is not installed: nothing to compare with")
    from tests.llm.embedded.nets import config

    reference = transformers.LlamaForCausalLM(transformers.LlamaConfig(**config(SMALL))).eval()
    named = {name: torch.from_numpy(w) for name, w in weights().items()}
    reference.load_state_dict(named | {"lm_head.weight": named["model.embed_tokens.weight"]})
    tokens = np.random.default_rng(5).integers(0, 60, 50).tolist()
    with torch.no_grad():
        expected = reference(torch.tensor([tokens])).logits[0].numpy()
    for length in (1, 2, 17, 50):
        same(said(NET, tokens[:length]), expected[length - 1])
