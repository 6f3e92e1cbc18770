"""What the network makes of the choices in a batch: distributions under the grammar's mask, as in serving."""

from dataclasses import dataclass

import torch
from torch import Tensor

from model_store.train.batches import Batch
from model_store.train.network import Llama

RULED_OUT = -1e9
"""Log-probability of what the grammar forbids: finite, so that 0 · log 0 is 0 in sums over the vocabulary."""


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """The policy at the N choices of a batch: ``scores [N, V]``, log-probabilities, and those of what was written."""

    scores: Tensor
    written: Tensor  # N

    @property
    def entropy(self) -> Tensor:
        """Of each choice ``[N]``, in nats."""
        return -(self.scores.exp() * self.scores).sum(dim=-1)


def policy(network: Llama, batch: Batch, temperature: float = 1.0) -> Policy:
    """The policy at a batch's choices; with a temperature, the one that was sampled from with it."""
    hidden = network(batch.ids).flatten(0, 1).index_select(0, batch.place)
    return under_mask(network.logits(hidden) / temperature, batch)


def under_mask(logits: Tensor, batch: Batch) -> Policy:
    """Scores of tokens ``[N, V]`` as log-probabilities of those that the grammar left."""
    scores = logits.masked_fill(batch.forbidden(logits.shape[-1]), RULED_OUT).log_softmax(dim=-1)
    return Policy(scores, scores.gather(1, batch.target.unsqueeze(1)).squeeze(1))


@torch.no_grad()
def frozen_policy(network: Llama, batch: Batch, temperature: float = 1.0) -> Policy:
    """The same without a way back to the weights."""
    return policy(network, batch, temperature)


def divergence(of: Policy, reference: Policy) -> Tensor:
    """KL(of ‖ reference) of each choice ``[N]`` in nats, summed over the vocabulary instead of estimated from the token
    that was written: exact, never negative, and cheap with a small vocabulary.
    """
    return (of.scores.exp() * (of.scores - reference.scores)).sum(dim=-1)
