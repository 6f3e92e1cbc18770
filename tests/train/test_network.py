import pytest

pytest.importorskip("torch", reason="training needs torch, which make test installs")

import torch

from model_store.train.network import Llama, Shape
from tests.train import tiny


def test_weights_have_the_names_of_hugging_face() -> None:
    names = set(tiny.network().state_dict())
    layer = {f"self_attn.{part}_proj" for part in "qkvo"} | {f"mlp.{part}_proj" for part in ("gate", "up", "down")}
    layer |= {"input_layernorm", "post_attention_layernorm"}
    expected = {f"model.layers.{i}.{name}.weight" for i in range(2) for name in layer}
    assert names == expected | {"model.embed_tokens.weight", "model.norm.weight"}


def test_the_planned_network_has_about_five_million_parameters() -> None:
    assert 5_000_000 < Llama(Shape(vocabulary=2300)).parameter_count() < 6_000_000


def test_a_later_token_changes_nothing_before_it() -> None:
    network = tiny.network()
    ids = torch.arange(1, 11).unsqueeze(0)
    changed = ids.clone()
    changed[0, 7] = 30
    with torch.no_grad():
        before, after = network(ids), network(changed)
    assert torch.equal(before[0, :7], after[0, :7])
    assert not torch.allclose(before[0, 7:], after[0, 7:])


def test_padding_on_the_right_changes_nothing() -> None:
    network = tiny.network()
    ids = torch.arange(1, 11).unsqueeze(0)
    padded = torch.cat((ids, torch.zeros(1, 6, dtype=torch.long)), dim=1)
    with torch.no_grad():
        assert torch.allclose(network(ids)[0], network(padded)[0, :10], atol=1e-6)


def test_where_a_token_stands_matters() -> None:
    network = tiny.network()
    with torch.no_grad():
        said = network(torch.tensor([[5, 9, 9]]))
    assert not torch.allclose(said[0, 1], said[0, 2], atol=1e-4)


def test_the_same_seed_draws_the_same_weights() -> None:
    same, other = tiny.network(1).state_dict(), tiny.network(2).state_dict()
    assert all(torch.equal(weight, same[name]) for name, weight in tiny.network(1).state_dict().items())
    assert not torch.equal(same["model.embed_tokens.weight"], other["model.embed_tokens.weight"])
