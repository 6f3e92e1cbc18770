# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# The types of torch and tokenizers are partly unknown.
import math

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch, which make test installs")

import torch

from model_store.train.batches import Batch, batch_of
from model_store.train.policy import divergence, policy, under_mask
from model_store.train.sequences import Sequence
from tests.train import tiny


def one_choice(allowed: list[int], written: int) -> Batch:
    ids = np.array([1, written], np.int32)
    return batch_of([Sequence(ids, ids == written, (np.array(allowed, np.int32),), "i", 0, True)], [0])


def test_probability_is_shared_among_what_the_grammar_left() -> None:
    batch = one_choice([2, 3], written=3)
    chosen = under_mask(torch.log(torch.tensor([[9.0, 9.0, 1.0, 3.0, 9.0]])), batch)
    assert chosen.written.item() == pytest.approx(math.log(0.75))
    assert chosen.scores.exp()[0].tolist() == pytest.approx([0, 0, 0.25, 0.75, 0])


def test_entropy_is_that_of_what_was_left() -> None:
    chosen = under_mask(torch.zeros(1, 5), one_choice([1, 2, 3, 4], written=4))
    assert chosen.entropy.item() == pytest.approx(math.log(4))


def test_the_divergence_is_summed_over_what_was_left() -> None:
    batch = one_choice([2, 3], written=3)
    of = under_mask(torch.log(torch.tensor([[1.0, 1.0, 1.0, 3.0]])), batch)
    reference = under_mask(torch.zeros(1, 4), batch)
    expected = 0.25 * math.log(0.25 / 0.5) + 0.75 * math.log(0.75 / 0.5)
    assert divergence(of, reference).item() == pytest.approx(expected)
    assert divergence(of, of).item() == 0.0


def test_what_is_forbidden_learns_nothing() -> None:
    logits = torch.zeros(1, 5, requires_grad=True)
    chosen = under_mask(logits, one_choice([2, 3], written=3))
    (
        divergence(chosen, under_mask(torch.ones(1, 5), one_choice([2, 3], 3))) - chosen.written + chosen.entropy
    ).backward()
    assert logits.grad is not None
    assert logits.grad[0, [0, 1, 4]].tolist() == [0, 0, 0]
    assert logits.grad[0, 3].item() == pytest.approx(-0.5)


def test_a_temperature_flattens_the_policy() -> None:
    network, batch = tiny.network(), batch_of([tiny.frame(1)], [0])
    with torch.no_grad():
        assert (policy(network, batch, 4.0).entropy > policy(network, batch, 0.25).entropy).all()


def test_a_batch_says_of_each_frame_what_the_frame_says_alone() -> None:
    network = tiny.network()
    frames = [tiny.frame(1, length=12), tiny.frame(2, length=20)]
    with torch.no_grad():
        together = policy(network, batch_of(frames, [0, 1])).written
        alone = torch.cat([policy(network, batch_of(frames, [n])).written for n in (0, 1)])
    assert torch.allclose(together, alone, atol=1e-5)
