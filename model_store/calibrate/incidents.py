"""Labelled incidents as choices: what each candidate's weight is made of, for each part that can make the order."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model_store.calibrate.logit import Choice
from model_store.cases import NO_CAUSE, Cluster, find_cases
from model_store.train.filling import recorded
from model_store.train.incidents import PooledIncident
from model_store.train.pool import PLAN, Pool
from service.agent.budget import Budget
from service.agent.localize import checked, localize
from service.domain.component import Component
from service.domain.localization import RankedBy, Suspect
from service.grader.truth import collapse, true_components
from service.ports import ChatModel
from service.rank import statistical
from service.rank.fusion import Claimed, features, proven_alone, words_of
from service.rank.naming import named


@dataclass(frozen=True, slots=True)
class Labelled:
    """One incident: where it comes from, the cluster of near copies that it belongs to, and a choice for each part that
    ranks it.
    """

    origin: str
    cluster: Cluster
    choices: Mapping[RankedBy, Choice]


def labelled(roots: Iterable[Path], model: ChatModel | None) -> Iterator[Labelled]:
    """Incidents of pools and of case directories, each seen by the statistics and, if there is one, by a model."""
    for root in roots:
        for incident in _incidents(root):
            yield asyncio.run(_labelled(root.name, incident, model))


def _incidents(root: Path) -> Iterator[PooledIncident]:
    yield from Pool.open(root) if (root / PLAN).exists() else map(recorded, find_cases([root]))


async def _labelled(origin: str, incident: PooledIncident, model: ChatModel | None) -> Labelled:
    view = incident.view
    prior = statistical.rank(view)
    choices = {RankedBy.STATISTICAL: _choice(incident, prior, prior, {})}
    if model is not None:
        outcome = await localize(view, model, Budget(), rank=RankedBy.MODEL)
        claimed = checked(outcome.transcript, view).suspects
        if claimed:
            alone = {c.component: Claimed(n, proven_alone(c)) for n, c in enumerate(claimed, start=1)}
            choices[RankedBy.MODEL] = _choice(incident, prior, (), alone)
            choices[RankedBy.FUSED] = _choice(incident, prior, prior, words_of(prior, claimed, view))
    true = sorted(component.name for component in true_components(incident.truth, view.graph))
    cluster = Cluster(incident.family, "+".join(true) or NO_CAUSE, "+".join(incident.faults) or NO_CAUSE)
    return Labelled(origin, cluster, choices)


def _choice(
    incident: PooledIncident, prior: Sequence[Suspect], counted: Sequence[Suspect], words: Mapping[Component, Claimed]
) -> Choice:
    """``counted`` are the suspects of the ``prior`` whose suspicion counts."""
    suspicion = {suspect.component: suspect.score for suspect in counted}
    names = {suspect.component: named(incident.view, suspect) for suspect in prior}
    candidates = tuple(dict.fromkeys((*suspicion, *words)))
    graph, truth = incident.view.graph, incident.truth
    true = true_components(truth, graph)
    x = [features(suspicion.get(c, 0.0), words.get(c)) for c in candidates]
    return Choice(
        np.array(x, np.float64).reshape(len(candidates), 3),
        np.array([collapse(names.get(c, c), truth, graph) in true for c in candidates], np.bool_),
    )
