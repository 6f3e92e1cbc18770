"""A network and what changes its weights: two optimizers, a schedule, and gradients gathered over micro-batches."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from model_store.train.muon import Muon
from model_store.train.network import Llama


@dataclass(frozen=True, slots=True)
class Schedule:
    """The learning rate at each step: a linear rise over ``warmup`` steps, then a cosine down to ``floor`` of the peak
    at ``steps``; a floor of 1 is a constant.
    """

    peak: float
    warmup: int
    steps: int
    floor: float

    def at(self, step: int) -> float:
        """The rate of the update number ``step``, from 0."""
        if step < self.warmup:
            return self.peak * (step + 1) / self.warmup
        progress = min(1.0, (step - self.warmup) / max(1, self.steps - self.warmup))
        return self.peak * (self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * progress)))


@dataclass(frozen=True, slots=True)
class Decay:
    """How the optimizers forget, and how large a gradient may be."""

    beta_1: float
    beta_2: float
    weight_decay: float  # of matrices; norms keep theirs
    longest_gradient: float
    momentum: float = 0.95  # Muon's
    faster: float = 4.0  # Muon's learning rate, in those of AdamW


class Learner:
    """A network in training; ``updates`` counts how often its weights were changed. Muon changes the matrices inside,
    AdamW the embedding and the norms.
    """

    def __init__(self, network: Llama, schedule: Schedule, decay: Decay) -> None:
        self.network = network
        self.schedule = schedule
        self.decay = decay
        self.updates = 0
        embedding = network.model.embed_tokens.weight
        inside = [w for w in network.parameters() if w.ndim > 1 and w is not embedding]
        norms = [w for w in network.parameters() if w.ndim <= 1]
        adam = torch.optim.AdamW(
            [{"params": [embedding], "weight_decay": decay.weight_decay}, {"params": norms, "weight_decay": 0.0}],
            lr=schedule.at(0),
            betas=(decay.beta_1, decay.beta_2),
            fused=True,
        )
        muon = Muon(inside, schedule.at(0), decay.momentum, decay.weight_decay)
        self.optimizers: tuple[torch.optim.Optimizer, ...] = (adam, muon)

    def update(self, losses: Iterable[Tensor]) -> float:
        """One step down the sum of the losses, each computed and let go before the next; the gradient's length."""
        self.network.zero_grad(set_to_none=True)
        for loss in losses:
            loss.backward()
        length = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.decay.longest_gradient)
        for optimizer, faster in zip(self.optimizers, (1.0, self.decay.faster), strict=True):
            for group in optimizer.param_groups:
                group["lr"] = self.rate * faster
            optimizer.step()
        self.updates += 1
        return float(length)

    @property
    def rate(self) -> float:
        """The learning rate of the next update."""
        return self.schedule.at(self.updates)
