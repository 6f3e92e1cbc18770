from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model_store.realism.classifier import auc, cross_validated, fit
from model_store.realism.features import OF_INCIDENT, OF_ROW, SET_UP, Described, Floats

TOLD = 12
"""Features that are listed: those that alone tell most."""


@dataclass(frozen=True, slots=True)
class Telling:
    """One feature and how well it alone tells simulated from recorded: ``auc`` is 0.5 where it does not, above where
    simulated ones have more of it. Medians, means; ``gain`` is its share in the classifier.
    """

    name: str
    auc: float
    simulated: tuple[float, float]
    recorded: tuple[float, float]
    gain: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """How well simulated incidents are told from recorded ones: by all features, and by those that say how the systems
    behave (all but `features.SET_UP`). ``telling`` is in the order of how much they tell.
    """

    what: str
    auc: float
    auc_of_behaviour: float
    telling: tuple[Telling, ...]


def compare_rows(simulated: Sequence[Described], recorded: Sequence[Described]) -> Comparison:
    """By single rows of evidence; all incidents count alike, however many rows they have."""
    both = [*simulated, *recorded]
    examples = np.concatenate([incident.rows for incident in both])
    counts = np.array([len(incident.rows) for incident in both])
    groups = np.repeat(np.arange(len(both)), counts)
    return _compare("rows of evidence", OF_ROW, examples, groups, groups < len(simulated), 1.0 / counts[groups])


def compare_incidents(simulated: Sequence[Described], recorded: Sequence[Described]) -> Comparison:
    """By what is told of whole incidents."""
    examples = np.array([incident.whole for incident in (*simulated, *recorded)])
    groups = np.arange(len(examples))
    return _compare("incidents", OF_INCIDENT, examples, groups, groups < len(simulated), np.ones(len(examples)))


def _compare(
    what: str, names: Sequence[str], examples: Floats, groups: np.ndarray, is_simulated: np.ndarray, weights: Floats
) -> Comparison:
    gains = fit(examples, is_simulated, weights).gains
    gains = gains / max(float(gains.sum()), 1e-12)
    telling = [
        Telling(
            name,
            auc(column, is_simulated, weights),
            _middle(column, weights, is_simulated),
            _middle(column, weights, ~is_simulated),
            float(gain),
        )
        for name, column, gain in zip(names, examples.T, gains, strict=True)
    ]
    telling.sort(key=lambda t: -abs(t.auc - 0.5))
    behaviour = [place for place, name in enumerate(names) if name not in SET_UP]
    return Comparison(
        what,
        cross_validated(examples, is_simulated, groups, weights),
        cross_validated(examples[:, behaviour], is_simulated, groups, weights),
        tuple(telling),
    )


def _middle(column: Floats, weights: Floats, which: np.ndarray) -> tuple[float, float]:
    """Weighted median and mean."""
    values, weight = column[which], weights[which]
    order = np.argsort(values, kind="stable")
    place = int(np.searchsorted(np.cumsum(weight[order]), weight.sum() / 2))
    return float(values[order][min(place, len(values) - 1)]), float((values * weight).sum() / weight.sum())


def lines(comparison: Comparison) -> list[str]:
    """The comparison as text."""
    head = (
        f"told by {comparison.what}: AUC {comparison.auc_of_behaviour:.3f} by how systems behave, {comparison.auc:.3f} "
        "with how they are built and measured (cross-validated by incident; 0.5 is not at all)"
    )
    table = [
        "| feature | alone, AUC | in the classifier | simulated: median, mean | recorded: median, mean |",
        "|---" * 5 + "|",
    ]
    for t in comparison.telling[:TOLD]:
        s, r = (f"{median:.3g}, {mean:.3g}" for median, mean in (t.simulated, t.recorded))
        table.append(f"| {t.name} | {t.auc:.2f} | {t.gain:.2f} | {s} | {r} |")
    return [head, "", *table, ""]
