"""The model's ranking and the statistical one as one order, and how likely it is right.

The rule is a conditional logit (McFadden 1974) over the components of an incident and the alternative that none of
them is the cause. The weight of a component is its statistical suspicion to a power (`sharpness`), times what the
model's word is worth: e to the power of ``(place + support × how well proven) ÷ its place`` in the model's ranking.
*How well proven*: how strong the rows are that the model cites for it (those about the component itself) beside those
that speak for the statistically first one, at most 1. The confidence of a cause is its share of all weights, that of
"none of them" included: it orders causes and says how often such a cause is the true one.

`hypocenter-models calibrate --write` learns the numbers on labelled incidents and shows how well confidence and
frequency agree. Those of the statistical rank stand in `confidence.json`, those of a trained model in its manifest; the
others here are for models without one.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, log
from pathlib import Path
from typing import Final

from service.domain.component import Component
from service.domain.fault import Fault
from service.domain.localization import RankedBy, Suspect
from service.rank.verification import proof
from service.view.view import View

LEAST_SUSPICION = 0.02
"""A suspicion below this is as good as none: what the model names without one begins here."""

HALF_PROOF = 20.0
"""The strength of cited rows (standard deviations) at which a claim is half proven where no statistics stand beside."""

MOST_CONFIDENT = 0.99
"""Nobody is certain."""

SEEN = frozenset(
    {Fault.CONFIG, Fault.DEPLOY, Fault.CRASH, Fault.OVERLOAD, Fault.CPU, Fault.MEMORY, Fault.DISK}
)  # fmt: skip
"""Faults that the statistics read off a change, a restart, the load or a resource. The others they infer from symptoms,
which a model does better: on incidents to calibrate with, each named the fault of half of them, together two thirds.
"""


@dataclass(frozen=True, slots=True)
class Weights:
    """The numbers of one ranking, in nats but for ``sharpness``, which is an exponent.

    ``nothing`` is the weight (its logarithm) of "none of them". A ranking whose first confidence is below
    ``resolved_from`` has no cause that stands out.
    """

    sharpness: float
    place: float
    support: float
    nothing: float
    resolved_from: float


CONFIDENCE_FILE: Final = Path(__file__).with_name("confidence.json")
"""The numbers of the statistical rank, as `calibrate --write` left them."""

STATISTICAL: Final = Weights(**json.loads(CONFIDENCE_FILE.read_bytes()))


@dataclass(frozen=True, slots=True)
class Fusion:
    """The numbers of each part that can make the order."""

    statistical: Weights = STATISTICAL
    model: Weights = Weights(sharpness=0.0, place=1.2, support=7.0, nothing=1.1, resolved_from=0.48)
    fused: Weights = Weights(sharpness=1.7, place=0.35, support=1.2, nothing=0.9, resolved_from=0.44)

    def of(self, ranked_by: RankedBy) -> Weights:
        """Those of the part that made an order."""
        return {
            RankedBy.STATISTICAL: self.statistical, RankedBy.MODEL: self.model, RankedBy.FUSED: self.fused
        }[ranked_by]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Claimed:
    """What the model's word on a component is: its place in the model's ranking and how well it is proven, 0 to 1."""

    place: int
    proven: float


def fuse(prior: Sequence[Suspect], claimed: Sequence[Suspect], view: View, weights: Weights) -> tuple[Suspect, ...]:
    """One ranking, best first, out of the statistical one and the verified one of the model (each best first); its
    scores are weights as the rule says.
    """
    words = words_of(prior, claimed, view)
    suspects = {suspect.component: suspect for suspect in prior}
    before = {suspect.component: suspect.score for suspect in prior}
    for claim in claimed:
        suspects[claim.component] = _joined(suspects.get(claim.component), claim)
    weighed = [
        replace(s, score=exp(_log_weight(before.get(c, 0.0), words.get(c), weights))) for c, s in suspects.items()
    ]
    return tuple(sorted(weighed, key=lambda s: -s.score))  # stable: on a tie the statistical order


def in_model_order(claimed: Sequence[Suspect], weights: Weights) -> tuple[Suspect, ...]:
    """The model's ranking alone: whatever it cites, nobody overtakes whom it named before."""
    reached = float("inf")
    ranked: list[Suspect] = []
    for place, claim in enumerate(claimed, start=1):
        word = Claimed(place, proven_alone(claim))
        reached = min(reached, exp(_log_weight(0.0, word, weights)))
        ranked.append(replace(claim, score=reached))
    return tuple(ranked)


def proven_alone(claim: Suspect) -> float:
    """How well a claim is proven where no statistics stand beside it, 0 to 1."""
    return claim.score / (claim.score + HALF_PROOF)


def words_of(prior: Sequence[Suspect], claimed: Sequence[Suspect], view: View) -> dict[Component, Claimed]:
    """The model's word on each component that it names."""
    bar = _proof(prior[0], view) if prior else 0.0
    return {
        claim.component: Claimed(place, min(1.0, claim.score / bar) if bar > 0 else 1.0)
        for place, claim in enumerate(claimed, start=1)
    }


def confidences(ranking: Sequence[Suspect], weights: Weights) -> tuple[float, ...]:
    """How likely each place of a ranking is the cause, 0 to 0.99."""
    total = exp(weights.nothing) + sum(suspect.score for suspect in ranking)
    return tuple(min(MOST_CONFIDENT, suspect.score / total) for suspect in ranking)


def unresolved(confident: Sequence[float], weights: Weights) -> bool:
    """Whether no cause stands out."""
    return max(confident, default=0.0) < weights.resolved_from


def features(suspicion: float, word: Claimed | None) -> tuple[float, float, float]:
    """What a component's weight is made of: one number each for ``sharpness``, ``place`` and ``support``. A word that
    nothing proves is worth nothing.
    """
    told = log(max(suspicion, LEAST_SUSPICION))
    return (told, 0.0, 0.0) if word is None or word.proven <= 0 else (told, 1 / word.place, word.proven / word.place)


def _log_weight(suspicion: float, word: Claimed | None, weights: Weights) -> float:
    told, place, proven = features(suspicion, word)
    return weights.sharpness * told + weights.place * place + weights.support * proven


def _proof(suspect: Suspect, view: View) -> float:
    """What speaks for a suspect: its three strongest rows, cited or not."""
    return proof(tuple(dict.fromkeys((*suspect.evidence, *view.of(suspect.component))))[:3])


def _joined(before: Suspect | None, claim: Suspect) -> Suspect:
    if before is None:
        return claim
    seen = before.fault in SEEN or claim.fault is Fault.UNKNOWN
    fault = before.fault if seen else claim.fault
    evidence = tuple(dict.fromkeys((*claim.evidence, *before.evidence)))
    return Suspect(before.component, fault, before.score, evidence)
