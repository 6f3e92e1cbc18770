"""GRPO's arithmetic: how much better an episode was than its group, and the clipped loss. Pure functions.

After arXiv 2402.03300; losses are normalized over the tokens of a whole batch (arXiv 2503.20783 says why), clipping
may be wider upwards than downwards (arXiv 2503.14476).
"""

from collections import defaultdict
from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

EQUAL = 1e-6
"""Rewards of a group that lie closer together than this teach nothing."""


def advantages(rewards: Sequence[float], *, by_deviation: bool = True) -> npt.NDArray[np.float64] | None:
    """Each reward less the mean of its group, in standard deviations of the group unless that is not wanted; None for
    a group whose rewards are all equal.
    """
    values = np.asarray(rewards, dtype=np.float64)
    if len(values) < 2 or np.ptp(values) < EQUAL:
        return None
    centred = values - values.mean()
    return centred / values.std() if by_deviation else centred


def among_like(rewards: Sequence[float | None], kinds: Sequence[Hashable]) -> npt.NDArray[np.float64]:
    """Own rewards of frames, each less the mean over the frames of its kind (in one group: those about the same
    component); 0 for a frame without one, or alone of its kind.
    """
    same: defaultdict[Hashable, list[float]] = defaultdict(list)
    for value, kind in zip(rewards, kinds, strict=True):
        if value is not None:
            same[kind].append(value)
    means = {kind: sum(values) / len(values) for kind, values in same.items()}
    return np.array([0.0 if r is None else r - means[k] for r, k in zip(rewards, kinds, strict=True)])


def clipped_loss(now: Tensor, before: Tensor, advantage: Tensor, clip_low: float, clip_high: float) -> Tensor:
    """The loss of each choice ``[N]``: minus the advantage times the ratio of probabilities, which counts only between
    ``1 − clip_low`` and ``1 + clip_high`` where going further would pay.
    """
    ratio = (now - before).exp()
    return -torch.minimum(ratio * advantage, ratio.clamp(1 - clip_low, 1 + clip_high) * advantage)


def clipped_share(now: Tensor, before: Tensor, advantage: Tensor, clip_low: float, clip_high: float) -> float:
    """The share of choices that clipping keeps from being learned further."""
    if not len(now):
        return 0.0
    ratio = (now - before).exp()
    outside = ((advantage > 0) & (ratio > 1 + clip_high)) | ((advantage < 0) & (ratio < 1 - clip_low))
    return float(outside.double().mean())
