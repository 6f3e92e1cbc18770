"""Muon: momentum whose steps are made orthogonal, for the matrices inside a network (Jordan and others, 2024).

A gradient's matrix is dominated by few directions; made orthogonal, a step goes equally far in all of them, and small
networks learn from fewer tokens. PyTorch has the same optimizer, but computes in bfloat16, which takes longer than the
rest of a step on processors that have it not.
"""

from collections.abc import Iterable
from itertools import groupby

import torch
from torch import Tensor, nn

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic that drives all singular values of a matrix towards 1 (they end between 0.7 and 1.2)."""
_ITERATIONS = 5
_AS_ADAM = 0.2
"""The root mean square of AdamW's steps: one learning rate then suits both (arXiv 2502.16982)."""


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, made orthogonal; weights decay apart from it, as AdamW's do."""

    def __init__(self, matrices: Iterable[nn.Parameter], lr: float, momentum: float, weight_decay: float) -> None:
        ordered = sorted(matrices, key=lambda w: tuple(w.shape))
        super().__init__(ordered, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One step down the gradients. Matrices of one shape go through together."""
        for group in self.param_groups:
            learned = [weight for weight in group["params"] if weight.grad is not None]
            for shape, alike in groupby(learned, key=lambda w: tuple(w.shape)):
                weights = list(alike)
                steps = orthogonal(torch.stack([self._momentum(w, group["momentum"]) for w in weights]))
                length = group["lr"] * _AS_ADAM * max(shape) ** 0.5
                for weight, direction in zip(weights, steps, strict=True):
                    weight.mul_(1 - group["lr"] * group["weight_decay"])
                    weight.sub_(direction, alpha=length)

    def _momentum(self, weight: nn.Parameter, share: float) -> Tensor:
        """The gradient and those before it, looked ahead."""
        assert weight.grad is not None
        kept = self.state[weight]
        if "momentum" not in kept:
            kept["momentum"] = torch.zeros_like(weight)
        gathered = kept["momentum"].lerp_(weight.grad, 1 - share)
        return weight.grad.lerp(gathered, share)


def orthogonal(matrices: Tensor) -> Tensor:
    """About the nearest matrices ``[N, out, in]`` whose rows (or columns, whichever are fewer) are orthonormal."""
    a, b, c = _COEFFICIENTS
    upright = matrices.shape[-2] > matrices.shape[-1]
    found = matrices.mT if upright else matrices
    found = found / (found.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(_ITERATIONS):
        square = found @ found.mT
        found = a * found + (b * square + c * square @ square) @ found
    return found.mT if upright else found
