"""The learned rank: every channel's effects times a weight, drawn towards 1.

A conditional logit (McFadden 1974): the share of a component is its suspicion to a power, over those of all and that of
"none of them" (`service.rank.fusion`). The weights raise the mean logarithm of the true components' share, every origin
counting alike, less a ridge on the logarithms of the weights. Gates are weights of their own where there are no traces.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, log

from model_store.fit_rank.incidents import Incident
from service.domain.component import Component
from service.rank.channels import Channel
from service.rank.fusion import Fusion
from service.rank.statistical import suspicions

STEPS = (0.7, 0.35, 0.2)
"""By how much the logarithm of a weight is tried to be moved, coarse to fine: by half, by a third, by a fifth."""

LEAST_SHARE = 1e-3
"""A true component without any suspicion has this share: one incident that cannot be known must not decide."""

SIMULATED_PART = 0.2
"""What all simulated incidents together count at most, beside the recorded ones."""


@dataclass(frozen=True, slots=True)
class Form:
    """What is learned: ``gated`` tells whether incidents without traces have weights of their own."""

    name: str
    gated: bool


UNLEARNED = "F0"
FORMS = (Form("F1", gated=False), Form("F2", gated=True))

Weights = Mapping[tuple[bool, Channel], float]
"""The logarithm of the weight of each channel, where there are traces and where not; 0 where nothing is learned."""


def weighed(incident: Incident, weights: Weights) -> dict[Component, float]:
    """The suspicion of each component of an incident."""
    symptoms = {
        component: replace(
            one, channels={c: e * exp(weights.get((incident.traced, c), 0.0)) for c, e in one.channels.items()}
        )
        for component, one in incident.symptoms.items()
    }
    return {component: score for component, score in suspicions(incident.view, symptoms).items() if score > 0}


def share_of_true(incident: Incident, weights: Weights) -> float:
    """The share of the true components."""
    numbers = Fusion().statistical
    powers = {c: score**numbers.sharpness for c, score in weighed(incident, weights).items()}
    true = sum(power for component, power in powers.items() if component in incident.true)
    return max(LEAST_SHARE, true / (sum(powers.values()) + exp(numbers.nothing)))


def fit(incidents: Sequence[Incident], simulated: Sequence[Incident], form: Form, ridge: float) -> Weights:
    """The weights that fit these incidents, by a coordinate search from 1; deterministic."""
    keys = [(traced, channel) for channel in Channel for traced in ((True, False) if form.gated else (True,))]
    weights: dict[tuple[bool, Channel], float] = {}
    best = _objective(incidents, simulated, weights, ridge)
    for step in STEPS:
        for key in keys:
            for sign in (1.0, -1.0):
                tried = dict(weights)
                for traced in (key[0],) if form.gated else (True, False):
                    tried[traced, key[1]] = tried.get((traced, key[1]), 0.0) + sign * step
                reached = _objective(incidents, simulated, tried, ridge)
                if reached > best:
                    best, weights = reached, tried
                    break
    return weights


def _objective(incidents: Sequence[Incident], simulated: Sequence[Incident], weights: Weights, ridge: float) -> float:
    recorded = _mean_log_share(incidents, weights)
    fitted = recorded
    if simulated:
        fitted = (1 - SIMULATED_PART) * recorded + SIMULATED_PART * _mean_log_share(simulated, weights)
    return fitted - ridge * sum(value**2 for value in weights.values())


def _mean_log_share(incidents: Sequence[Incident], weights: Weights) -> float:
    """The mean over origins, so that a large one does not drown a small one."""
    by_origin: dict[str, list[float]] = {}
    for one in incidents:
        by_origin.setdefault(one.origin, []).append(log(share_of_true(one, weights)))
    return sum(sum(shares) / len(shares) for shares in by_origin.values()) / max(len(by_origin), 1)
