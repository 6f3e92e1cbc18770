"""The model's ranking and the statistical one as one order, and how sure it is.

The rule. A component's fused score is its statistical score, as a share of the statistically first one's, plus
`TRUST` × support ÷ its place in the model's ranking. *Support* is how strong the rows that the model cites for it are
(those about the component itself) against what speaks for the statistically first one, at most 1. So the
statistically first component (score 1) stays first, unless the model's candidate is proven by comparable evidence and
the statistics hold it for possible too: with full support it needs more than 1 − `TRUST` of the first one's score.
"""

from collections.abc import Sequence
from dataclasses import replace

from service.domain.component import Component
from service.domain.fault import Fault
from service.domain.localization import Suspect
from service.rank.verification import strength
from service.view.view import View

# What a fully supported first place of the model is worth against the statistical first place. Below 1: where the
# statistics see nothing at all in a component, the model alone does not carry it to the top.
TRUST = 0.6
# Confidence is a share of squared scores, so that what stands out stands out. To be calibrated on held-back cases.
SHARPNESS = 2.0
# Nobody is certain.
MOST_CONFIDENT = 0.99
# Evidence of this many robust standard deviations makes half of what confidence the order alone would give.
HALF_PROOF = 3.0
# Below this no cause stands out: with five equal candidates each has 0.2.
RESOLVED_FROM = 0.2


def fuse(prior: Sequence[Suspect], claimed: Sequence[Suspect], view: View) -> tuple[Suspect, ...]:
    """One ranking, best first, out of the statistical one and the verified one of the model (each best first)."""
    suspects: dict[Component, Suspect] = {}
    first = prior[0].score if prior and prior[0].score > 0 else 1.0
    for suspect in prior:
        suspects[suspect.component] = replace(suspect, score=suspect.score / first)
    bar = _proof(prior[0], view) if prior else 0.0
    for place, claim in enumerate(claimed, start=1):
        support = min(1.0, claim.score / bar) if bar > 0 else 1.0
        worth = TRUST * support / place
        before = suspects.get(claim.component)
        suspects[claim.component] = _joined(before, claim, worth)
    return tuple(sorted(suspects.values(), key=lambda s: -s.score))  # stable: on a tie the statistical order


def in_model_order(claimed: Sequence[Suspect]) -> tuple[Suspect, ...]:
    """The model's ranking alone, with scores that fall with the place."""
    return tuple(replace(claim, score=1.0 / place) for place, claim in enumerate(claimed, start=1))


def confidences(ranking: Sequence[Suspect], view: View) -> tuple[float, ...]:
    """How sure each place of a ranking is, 0 to 0.99: its share of the scores, less where little proves it."""
    sharp = [max(s.score, 0.0) ** SHARPNESS for s in ranking]
    total = sum(sharp) or 1.0
    proofs = [_proof(s, view) for s in ranking]
    return tuple(
        min(MOST_CONFIDENT, share / total * proof / (proof + HALF_PROOF))
        for share, proof in zip(sharp, proofs, strict=True)
    )


def unresolved(confident: Sequence[float]) -> bool:
    """Whether no cause stands out."""
    return max(confident, default=0.0) < RESOLVED_FROM


def _proof(suspect: Suspect, view: View) -> float:
    """What speaks for a suspect: its three strongest rows, cited or not."""
    return strength(tuple(dict.fromkeys((*suspect.evidence, *view.of(suspect.component))))[:3])


def _joined(before: Suspect | None, claim: Suspect, worth: float) -> Suspect:
    if before is None:
        return replace(claim, score=worth)
    fault = before.fault if claim.fault is Fault.UNKNOWN else claim.fault
    evidence = tuple(dict.fromkeys((*claim.evidence, *before.evidence)))
    return Suspect(before.component, fault, before.score + worth, evidence)
