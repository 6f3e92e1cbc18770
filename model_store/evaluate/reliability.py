"""Whether confidence means frequency."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BINS = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers of about one confidence: how many, how sure they were on average, and how many of them were right."""

    count: int
    confidence: float
    right: float


def reliability(confidences: Sequence[float], right: Sequence[bool], bins: int = BINS) -> list[Bin]:
    """Bins of equal width over the confidence of first answers; empty ones are left out."""
    sure, hits = np.asarray(confidences, np.float64), np.asarray(right, np.float64)
    places = np.minimum((sure * bins).astype(int), bins - 1)
    return [
        Bin(int((places == b).sum()), float(sure[places == b].mean()), float(hits[places == b].mean()))
        for b in range(bins)
        if (places == b).any()
    ]


def calibration_error(curve: Sequence[Bin]) -> float:
    """The expected calibration error (Naeini et al. 2015): the mean gap between confidence and frequency."""
    total = sum(b.count for b in curve)
    return sum(b.count * abs(b.confidence - b.right) for b in curve) / total if total else 0.0


def resolved_from(confidences: Sequence[float], right: Sequence[bool], wrong_share: float) -> float:
    """The lowest confidence from which on at most this share of the answers is wrong; above 1 where there is none."""
    order = np.argsort(-np.asarray(confidences, np.float64), kind="stable")
    wrong = np.cumsum(~np.asarray(right, np.bool_)[order]) / np.arange(1, len(order) + 1)
    fitting = np.flatnonzero(wrong <= wrong_share)
    return float(np.asarray(confidences)[order][fitting[-1]]) if len(fitting) else 1.01


def calm_from(confidences: Sequence[float], share: float) -> float:
    """The confidence of first answers to incidents without a cause above which at most this share of them lies; 0 where
    all may.
    """
    ordered = sorted(confidences, reverse=True)
    allowed = int(share * len(ordered))
    return float(np.nextafter(ordered[allowed], 2.0)) if allowed < len(ordered) else 0.0
