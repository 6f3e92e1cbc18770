"""A network of two layers and frames of random tokens: enough to train on in milliseconds."""

import numpy as np
import torch

from model_store.train.learner import Decay, Learner, Schedule
from model_store.train.network import Llama, Shape
from model_store.train.sequences import Sequence

VOCABULARY = 40
SHAPE = Shape(vocabulary=VOCABULARY, hidden=64, layers=2, heads=1, intermediate=96, context=64)


def network(seed: int = 1) -> Llama:
    torch.set_num_threads(1)
    return Llama(SHAPE).initialize(torch.Generator().manual_seed(seed))


def learner(seed: int = 1, *, rate: float = 1e-2, steps: int = 6) -> Learner:
    schedule = Schedule(peak=rate, warmup=2, steps=steps, floor=0.1)
    return Learner(network(seed), schedule, Decay(beta_1=0.9, beta_2=0.95, weight_decay=0.1, longest_gradient=1.0))


def frame(seed: int, *, length: int = 20, incident: str = "i", number: int = 0) -> Sequence:
    """A frame with two moves; at the first position of each nothing could be chosen."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(1, VOCABULARY, length).astype(np.int32)
    own = np.zeros(length, np.bool_)
    own[[length // 2, length // 2 + 1, length - 2, length - 1]] = True
    written = ids[own]
    allowed = tuple(
        np.array([token], np.int32) if place % 2 == 0 else np.unique(np.append(rng.integers(1, VOCABULARY, 5), token))
        for place, token in enumerate(written)
    )
    return Sequence(ids, own, tuple(a.astype(np.int32) for a in allowed), incident, number, number == 0)


def shard(number: int, count: int = 12) -> list[Sequence]:
    """Frames of different lengths; the same number gives the same ones."""
    return [frame(1000 * number + i, length=10 + 3 * (i % 7), incident=f"i{i}") for i in range(count)]
