"""A network and what changes its weights: AdamW, a schedule, and gradients gathered over micro-batches."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

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
    """How AdamW forgets, and how large a gradient may be."""

    beta_1: float
    beta_2: float
    weight_decay: float  # of matrices; norms keep theirs
    longest_gradient: float


class Learner:
    """A network in training; ``updates`` counts how often its weights were changed."""

    def __init__(self, network: Llama, schedule: Schedule, decay: Decay) -> None:
        self.network = network
        self.schedule = schedule
        self.decay = decay
        self.updates = 0
        matrices = [w for w in network.parameters() if w.ndim > 1]
        others = [w for w in network.parameters() if w.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": decay.weight_decay}, {"params": others, "weight_decay": 0.0}],
            lr=schedule.at(0),
            betas=(decay.beta_1, decay.beta_2),
            fused=True,
        )

    def update(self, losses: Iterable[Tensor]) -> float:
        """One step down the sum of the losses, each computed and let go before the next; the gradient's length."""
        self.optimizer.zero_grad(set_to_none=True)
        for loss in losses:
            loss.backward()
        length = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.decay.longest_gradient)
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate
        self.optimizer.step()
        self.updates += 1
        return float(length)

    @property
    def rate(self) -> float:
        """The learning rate of the next update."""
        return self.schedule.at(self.updates)
