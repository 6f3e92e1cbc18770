"""The model's ranking and the statistical one as one order, and how sure it is.

The rule. A component's fused suspicion is its statistical suspicion plus, where the model names it, a part of the
statistically first one's: `TRUST` × support ÷ its place in the model's ranking. *Support* is how strong the rows that
the model cites for it are (those about the component itself) against what speaks for the statistically first one, at
most 1. So the statistically first component stays first unless the race is close and the model's candidate is proven
by comparable evidence.

The confidence of a cause is its share of the squared suspicions, times its suspicion's own weight: one that stands out
among nothings is still nothing. To be calibrated on held-back cases; until then it orders, and is no frequency.
"""

from collections.abc import Sequence
from dataclasses import replace

from service.domain.fault import Fault
from service.domain.localization import Suspect
from service.rank.verification import proof
from service.view.view import View

TRUST = 0.25
"""What a fully supported first place of the model is worth against the statistical first place: it decides between
candidates that the statistics hold for nearly equal, until a model has shown that it deserves more."""

HALF_SUSPICION = 0.25
"""The suspicion at which a component that stands alone is as likely guilty as not: a quarter of what one feature at its
strongest weighs. Where nothing is wrong, drift and chance give the first component a tenth."""

HALF_PROOF = 20.0
"""The strength of cited rows (standard deviations) at which a model's claim alone counts half."""

SHARPNESS = 2.0
"""Suspicions are squared before they are shared out, so that what stands out stands out."""

MOST_CONFIDENT = 0.99
"""Nobody is certain."""

RESOLVED_FROM = 0.3
"""Below this no cause stands out: with five equal candidates each has at most 0.2."""


def fuse(prior: Sequence[Suspect], claimed: Sequence[Suspect], view: View) -> tuple[Suspect, ...]:
    """One ranking, best first, out of the statistical one and the verified one of the model (each best first)."""
    if not prior:
        return in_model_order(claimed)
    suspects = {suspect.component: suspect for suspect in prior}
    bar = _proof(prior[0], view)
    for place, claim in enumerate(claimed, start=1):
        support = min(1.0, claim.score / bar) if bar > 0 else 1.0
        worth = TRUST * support / place * prior[0].score
        suspects[claim.component] = _joined(suspects.get(claim.component), claim, worth)
    return tuple(sorted(suspects.values(), key=lambda s: -s.score))  # stable: on a tie the statistical order


def in_model_order(claimed: Sequence[Suspect]) -> tuple[Suspect, ...]:
    """The model's ranking alone: suspicion by what its cited rows prove, falling with the place."""
    reached = 1.0
    ranked: list[Suspect] = []
    for claim in claimed:
        reached = min(reached, claim.score / (claim.score + HALF_PROOF))
        ranked.append(replace(claim, score=reached))
        reached /= 2
    return tuple(ranked)


def confidences(ranking: Sequence[Suspect]) -> tuple[float, ...]:
    """How sure each place of a ranking is, 0 to 0.99."""
    sharp = [s.score**SHARPNESS for s in ranking]
    total = sum(sharp) or 1.0
    return tuple(
        min(MOST_CONFIDENT, share / total * suspect.score / (suspect.score + HALF_SUSPICION))
        for share, suspect in zip(sharp, ranking, strict=True)
    )


def unresolved(confident: Sequence[float]) -> bool:
    """Whether no cause stands out."""
    return max(confident, default=0.0) < RESOLVED_FROM


def _proof(suspect: Suspect, view: View) -> float:
    """What speaks for a suspect: its three strongest rows, cited or not."""
    return proof(tuple(dict.fromkeys((*suspect.evidence, *view.of(suspect.component))))[:3])


def _joined(before: Suspect | None, claim: Suspect, worth: float) -> Suspect:
    if before is None:
        return replace(claim, score=worth)
    fault = before.fault if claim.fault is Fault.UNKNOWN else claim.fault
    evidence = tuple(dict.fromkeys((*claim.evidence, *before.evidence)))
    return Suspect(before.component, fault, before.score + worth, evidence)
