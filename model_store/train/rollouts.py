"""Episodes for GRPO: several of each of several incidents, played at once, each of their frames a sequence."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from model_store.train.grpo import Episode
from model_store.train.incidents import PooledIncident
from model_store.train.order import places
from model_store.train.player import BUDGET, Player
from model_store.train.rewards import Pay, graded
from model_store.train.sequences import sequences_of
from service.agent.localize import Outcome
from service.domain.move import Malformed
from service.domain.transcript import Transcript
from service.llm.embedded.choice import Sampling
from service.llm.embedded.grammar import Grammar
from service.llm.embedded.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class RolloutPlan:
    """What is played in a step: so many incidents, each by a group of so many episodes."""

    incidents: int
    group: int
    temperature: float
    seed: int


class Rollouts:
    """Plays the groups of a step; which incidents and all chance follow from the plan's seed and the step alone."""

    def __init__(
        self, player: Player, pool: Sequence[PooledIncident], plan: RolloutPlan, pay: Pay, vocabulary: Vocabulary
    ) -> None:
        self._player = player
        self._pool = pool
        self._plan = plan
        self._pay = pay
        self._vocabulary = vocabulary
        self._grammar = Grammar(vocabulary)

    def __call__(self, step: int) -> list[list[Episode]]:
        """The groups of one step, played with the network as it is now."""
        plan = self._plan
        chosen = [self._pool[p] for p in places(len(self._pool), step * plan.incidents, plan.incidents, plan.seed)]
        seats = [incident for incident in chosen for _ in range(plan.group)]
        chance = int(np.random.default_rng([plan.seed, step]).integers(2**62))
        outcomes = asyncio.run(self._player.play(seats, Sampling(plan.temperature, chance)))
        episodes = [self._episode(outcome, incident) for outcome, incident in zip(outcomes, seats, strict=True)]
        return [episodes[first : first + plan.group] for first in range(0, len(episodes), plan.group)]

    def _episode(self, outcome: Outcome, incident: PooledIncident) -> Episode:
        """Frames that opened in the last round never moved: there is nothing of them to learn."""
        transcript = outcome.transcript
        paid = graded(outcome, incident.view, incident.truth, self._pay)
        moved = [bool(frame.steps) for frame in transcript.frames]
        return Episode(
            frames=sequences_of(transcript, self._vocabulary, self._grammar, BUDGET),
            about=tuple(frame.component for frame in transcript.frames if frame.steps),
            graded=replace(paid, verdicts=tuple(v for v, m in zip(paid.verdicts, moved, strict=True) if m)),
            figures=figures_of(transcript),
        )


def figures_of(transcript: Transcript) -> dict[str, float]:
    """What a log wants to know of the way: how long, how deep, how well-formed."""
    steps = transcript.steps()
    malformed = sum(isinstance(step.move, Malformed) for step in steps)
    return {
        "turns": len(steps),
        "depth": max((frame.depth for frame in transcript.frames), default=0),
        "completion_tokens": sum(step.completion_tokens for step in steps),
        "malformed": malformed / max(1, len(steps)),
        "wrong_form": float(malformed > 0),
        "forced": float(any(step.forced for step in steps)),
    }
