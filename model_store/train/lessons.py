"""Lessons: what the oracle plays on a pool, kept where the grader likes it, under other aliases every time.

They are made when they are needed, from their number alone: an incident costs some 30 ms, an eighth of what learning
from it costs, so that keeping them on disk would pay less than seeing every incident played in another way each time.
"""

import asyncio
from collections.abc import Sequence as Several
from dataclasses import dataclass

import numpy as np

from model_store.train.augment import renumbered
from model_store.train.incidents import PooledIncident
from model_store.train.oracle import OracleModel
from model_store.train.order import places
from model_store.train.player import BUDGET
from model_store.train.sequences import Sequence, sequences_of
from service.agent.localize import Outcome, localize
from service.domain.localization import RankedBy
from service.grader.grade import grade
from service.llm.embedded.grammar import Grammar
from service.llm.embedded.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class LessonPlan:
    """How many incidents make a shard, and how varied the oracle plays."""

    incidents: int
    temperature: float
    seed: int


class OracleLessons:
    """Shards of the oracle's frames by their number."""

    def __init__(self, pool: Several[PooledIncident], plan: LessonPlan, vocabulary: Vocabulary) -> None:
        self._pool = pool
        self._plan = plan
        self._vocabulary = vocabulary
        self._grammar = Grammar(vocabulary)

    def __call__(self, number: int) -> list[Sequence]:
        """The frames of one shard; fewer where the oracle did not find the cause."""
        plan = self._plan
        first = number * plan.incidents
        taken = places(len(self._pool), first, plan.incidents, plan.seed)
        return [frame for n, place in enumerate(taken) for frame in self._lesson(self._pool[place], first + n)]

    def _lesson(self, incident: PooledIncident, number: int) -> tuple[Sequence, ...]:
        rng = np.random.default_rng([self._plan.seed, number])
        outcome = demonstrated(incident, int(rng.integers(2**32)), self._plan.temperature)
        if not worth_teaching(outcome, incident):
            return ()
        frames = sequences_of(outcome.transcript, self._vocabulary, self._grammar, BUDGET)
        return renumbered(frames, self._vocabulary, self._grammar, rng)


def demonstrated(incident: PooledIncident, seed: int, temperature: float) -> Outcome:
    """How the oracle plays an incident."""
    oracle = OracleModel(incident.truth, incident.view, seed, temperature)
    return asyncio.run(localize(incident.view, oracle, BUDGET, rank=RankedBy.MODEL))


def worth_teaching(outcome: Outcome, incident: PooledIncident) -> bool:
    """Whether the true cause came first; where nothing was wrong, whether no cause was pretended. What the evidence
    does not support the oracle does not say, so such an incident teaches nothing.
    """
    if outcome.localization.ranked_by is not RankedBy.MODEL:
        return False
    graded = grade(outcome.localization, incident.truth, incident.view.graph)
    return graded.right_at_1 if incident.truth.causes else graded.false_cause is False
