"""Held-back incidents, played greedily by the network alone: what decides which weights a stage leaves behind."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from model_store.train.incidents import PooledIncident
from model_store.train.network import Llama
from model_store.train.player import Player
from model_store.train.rewards import Graded, Pay, graded
from model_store.train.rollouts import figures_of
from service.agent.localize import Outcome, localize
from service.domain.localization import RankedBy
from service.grader.grade import Grade, grade
from service.llm.embedded.vocabulary import Vocabulary

Scores = dict[str, float]


@dataclass(frozen=True, slots=True)
class Paper:
    """How one incident was answered: its grade, whether it has a cause, what it was paid, and what it cost."""

    grade: Grade
    has_cause: bool
    graded: Graded
    figures: dict[str, float]


@dataclass(frozen=True, slots=True)
class Sitting:
    """A held-back pool, how many of its incidents are played at once, and what an episode is paid."""

    pool: Sequence[PooledIncident]
    at_once: int
    pay: Pay
    vocabulary: Vocabulary

    def __call__(self, network: Llama) -> Scores:
        """AC@1, AC@3, MRR over incidents that have a cause, and means over all of what they were paid and cost."""
        papers = self.papers(network)
        scores = accuracy([(paper.grade, paper.has_cause) for paper in papers])
        scores["reward"] = _mean(paper.graded.total for paper in papers)
        figures = [paper.figures for paper in papers]
        return scores | {name: _mean(told[name] for told in figures) for name in (figures[0] if figures else ())}

    def papers(self, network: Llama) -> list[Paper]:
        """Of each incident of the pool, in its order."""
        player = Player(network, self.vocabulary)
        played = (pair for wave in _waves(self.pool, self.at_once) for pair in _played(player, wave))
        return [self._paper(outcome, incident) for outcome, incident in played]

    def _paper(self, outcome: Outcome, incident: PooledIncident) -> Paper:
        figures = {"frames": float(len(outcome.transcript.frames)), **figures_of(outcome.transcript)}
        paid = graded(outcome, incident.view, incident.truth, self.pay)
        return Paper(*_judged(outcome, incident), paid, figures)


def statistical_scores(pool: Iterable[PooledIncident]) -> Scores:
    """The same accuracies of the statistical rank, to be compared with."""
    grades: list[tuple[Grade, bool]] = []
    for incident in pool:
        outcome = asyncio.run(localize(incident.view, None, rank=RankedBy.STATISTICAL))
        found = grade(outcome.localization, incident.truth, incident.view.graph)
        grades.append((found, bool(incident.truth.causes)))
    return accuracy(grades)


def accuracy(grades: Sequence[tuple[Grade, bool]]) -> Scores:
    """AC@1, AC@3 and MRR of the answers to incidents that have a cause (the second of each pair), and of the others
    the share in which one was pretended. A share of nothing is 0.
    """
    sick = [found for found, has_cause in grades if has_cause]
    healthy = [found for found, has_cause in grades if not has_cause]
    return {
        "ac@1": _mean(found.right_at(1) for found in sick),
        "ac@3": _mean(found.right_at(3) for found in sick),
        "mrr": _mean(found.reciprocal_rank for found in sick),
        "pretended": _mean(found.false_cause is True for found in healthy),
    }


def _judged(outcome: Outcome, incident: PooledIncident) -> tuple[Grade, bool]:
    """What the model alone is worth: where the statistics had to stand in, it found nothing."""
    has_cause = bool(incident.truth.causes)
    if outcome.localization.ranked_by is not RankedBy.MODEL:
        return Grade(None, false_cause=None if has_cause else False), has_cause
    return grade(outcome.localization, incident.truth, incident.view.graph), has_cause


def _played(player: Player, wave: list[PooledIncident]) -> Iterable[tuple[Outcome, PooledIncident]]:
    return zip(asyncio.run(player.play(wave)), wave, strict=True)


def _waves(pool: Iterable[PooledIncident], at_once: int) -> Iterator[list[PooledIncident]]:
    incidents = iter(pool)
    while wave := list(islice(incidents, at_once)):
        yield wave


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(found)) if (found := list(values)) else 0.0
