"""After the loop, code checks what the model claims: nothing that it made up reaches an answer."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from service.domain.component import Component, ComponentKind, edge_ends
from service.domain.evidence import Evidence
from service.domain.fault import Fault
from service.domain.localization import Suspect
from service.view.view import View


@dataclass(frozen=True, slots=True)
class Claim:
    """A component that a model holds for a cause (None: what it wrote stands for nothing) and the rows it cited."""

    component: Component | None
    fault: Fault
    rows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """What of the claims holds, in the model's order, and how many components and rows were refused.

    A suspect's score is the proof in the cited evidence that is about itself: a row about its caller is a symptom
    and one about its callee another's guilt, so neither counts; one about the calls between them does. It may be zero.
    """

    suspects: tuple[Suspect, ...]
    dropped: int


def verify(claims: Sequence[Claim], shown: Collection[str], view: View) -> Checked:
    """Keep the components that exist, collapsed to services and nodes, and the rows that were ``shown`` and exist."""
    faults: dict[Component, Fault] = {}
    cited: dict[Component, dict[str, Evidence]] = {}
    dropped = 0
    for claim in claims:
        owner = None if claim.component is None else view.graph.owner(claim.component)
        if owner is None or not view.graph.knows(owner):
            dropped += 1
            continue
        held = {row: e for row in claim.rows if row in shown and (e := view.row(row)) is not None}
        dropped += len(set(claim.rows)) - len(held)
        if faults.setdefault(owner, claim.fault) is Fault.UNKNOWN:
            faults[owner] = claim.fault
        cited.setdefault(owner, {}).update(held)
    return Checked(tuple(_suspect(view, c, faults[c], tuple(cited[c].values())) for c in faults), dropped)


def proof(evidence: Sequence[Evidence]) -> float:
    """How much rows prove together (standard deviations): the strongest in full, every further one half as much as the
    one before.
    """
    scores = sorted((e.score for e in evidence), reverse=True)
    return sum(score / 2**i for i, score in enumerate(scores))


def _suspect(view: View, component: Component, fault: Fault, evidence: tuple[Evidence, ...]) -> Suspect:
    own = [e for e in evidence if _is_about(view, e, component)]
    return Suspect(component, fault, proof(own), evidence)


def _is_about(view: View, e: Evidence, component: Component) -> bool:
    """Whether a row is about a component; one about calls is about either end: either can be why they are slow."""
    if e.component.kind is ComponentKind.EDGE:
        return component.name in edge_ends(e.component)
    return view.graph.owner(e.component) == component
