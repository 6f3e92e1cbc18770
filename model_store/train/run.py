"""``hypocenter-models train``: from a pool of incidents to a model's directory, stage by stage.

A plain loop of our own rather than an existing trainer such as TRL: an episode here is a tree of frames, each a
sequence of its own with several completions under a grammar's mask at every position, which trainers that sample one
completion a prompt cannot say. And there is no graphics card: on two cores their overhead would be most of the cost.

A run's directory holds ``log.jsonl``, a directory and a picture for each stage, ``models/<stage>`` for the service
and, unless they lie elsewhere, its pools. Whenever it is stopped, it goes on from its last checkpoint.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from model_store.train.checkpoint import Progress, load_weights
from model_store.train.exam import Sitting, statistical_scores
from model_store.train.export import Origin, export
from model_store.train.filling import PoolPlan, fill_with_simulated
from model_store.train.grpo import grpo_steps
from model_store.train.learner import Learner
from model_store.train.lessons import OracleLessons
from model_store.train.log import EVALUATION, FILE_NAME, Say, StageLog, read
from model_store.train.network import Llama
from model_store.train.player import Player, weights_of
from model_store.train.plots import draw
from model_store.train.pool import Pool
from model_store.train.recipe import GrpoPart, PayPart, Recipe, SftPart
from model_store.train.rollouts import Rollouts
from model_store.train.sft import sft_steps
from model_store.train.stage import Rhythm, Stage, Steps
from model_store.train.tokenizer import build_vocabulary
from service.errors import CallerError

MODELS, POOLS, VARIANTS = "models", "pools", "ablation"
_SEED_OF = {"weights": 0, "lessons": 1, "rollouts": 2}
_WHOLE_GRADER = PayPart(weights={"rank": 1.0, "way": 0.2, "made_up": 0.2, "format": 0.1})
"""What a priming stage's exam tells as reward: it pays nothing itself."""


@dataclass(frozen=True, slots=True)
class Run:
    """One recipe in one directory, on so many threads."""

    recipe: Recipe
    directory: Path
    pools: Path
    threads: int
    say: Say

    def train(self, until: str | None = None) -> None:
        """Make what is left of the stages, to the last or the one named. Raises `CallerError` for one that there is
        not, and where the directory was begun with another recipe.
        """
        names = self.recipe.stage_names
        if until is not None and until not in names:
            raise CallerError(f"{until}: is no stage of recipe {self.recipe.name}; there are {', '.join(names)}")
        torch.set_num_threads(self.threads)
        incidents, held_back = self._pool(self.recipe.pool), self._pool(self.recipe.exam.pool)
        self.say(f"{len(incidents)} incidents to learn from, {len(held_back)} held back; {self._bar(held_back)}")
        before: Stage | None = None
        for name in names[: names.index(until or names[-1]) + 1]:
            before = self._stage(name, before, incidents)

    def variant(self, part: GrpoPart, label: str) -> Llama:
        """A GRPO stage in another form, from where the stage before it stands, to its last step; it lives in
        ``ablation/<label>`` of the run, and goes on from there if it was stopped. Raises `CallerError` where the stage
        before has not come to its end.
        """
        torch.set_num_threads(self.threads)
        before = self._before(part.name)
        rhythm = Rhythm(part.rhythm.keep_every, part.steps, examine_first=False, chosen_by=part.rhythm.chosen_by)
        recipe = {**self.recipe.part(part.name), "stage": part.model_dump(mode="json")}
        stage = Stage(label, self.directory / VARIANTS / label, recipe, rhythm, part.steps)
        stage.check()
        if not stage.done:
            learner, steps = self._reinforcing(part, before, self._pool(self.recipe.pool))
            stage.run(
                learner, steps, self.sitting(part), StageLog(self.directory / VARIANTS / FILE_NAME, label, self.say)
            )
        return self._network(stage)

    def start(self, name: str) -> Llama:
        """What the stage of that name begins with."""
        return self._network(self._before(name))

    def sitting(self, part: SftPart | GrpoPart) -> Sitting:
        """The exam of a stage."""
        pay = (_WHOLE_GRADER if isinstance(part, SftPart) else part.pay).pay()
        return Sitting(self._pool(self.recipe.exam.pool), self.recipe.exam.at_once, pay, build_vocabulary())

    def _before(self, name: str) -> Stage:
        names = self.recipe.stage_names
        before = names[names.index(name) - 1]
        stage = Stage(before, self.directory / before, {}, Rhythm(1, 1, examine_first=False, chosen_by=""), 0)
        if not stage.done:
            raise CallerError(f"{stage.directory}: stage {before} has not come to its end, and {name} begins there")
        return stage

    def _pool(self, plan: PoolPlan) -> Pool:
        def told(done: int, of: int) -> None:
            self.say(f"pool {plan.seed}: {done} of {of} incidents")

        return fill_with_simulated(self.pools / f"{plan.seed}-{plan.count}", plan, self.threads, told)

    def _bar(self, held_back: Pool) -> str:
        """What the model has to beat."""
        scores = statistical_scores(held_back)
        return "statistics alone there: " + ", ".join(f"{name} {value:.3f}" for name, value in scores.items())

    def _stage(self, name: str, before: Stage | None, incidents: Pool) -> Stage:
        part = self.recipe.stage(name)
        rhythm = part.rhythm.rhythm(examine_first=isinstance(part, GrpoPart))
        stage = Stage(name, self.directory / name, self.recipe.part(name), rhythm, part.steps)
        stage.check()
        if not stage.done:
            if isinstance(part, SftPart):
                learner, steps = self._priming(part, incidents)
            else:
                learner, steps = self._reinforcing(part, before, incidents)
            stage.run(learner, steps, self.sitting(part), StageLog(self.directory / FILE_NAME, name, self.say))
        self._leave(stage)
        return stage

    def _network(self, before: Stage | None) -> Llama:
        """As the stage before left it; drawn by chance for the first."""
        network = Llama(self.recipe.network.shape(build_vocabulary().size))
        if before is None:
            return network.initialize(torch.Generator().manual_seed(self._seed("weights", self.recipe.sft.name)))
        load_weights(before.best, network)
        return network

    def _priming(self, part: SftPart, incidents: Pool) -> tuple[Learner, Steps]:
        seed = self._seed("lessons", part.name)
        lessons = OracleLessons(incidents, part.lessons.plan(seed), build_vocabulary())

        def steps(learner: Learner, progress: Progress) -> Iterator[dict[str, float]]:
            return sft_steps(learner, lessons, part.plan(seed), progress)

        return Learner(self._network(None), part.rate.schedule(part.steps), self.recipe.optimizer.decay()), steps

    def _reinforcing(self, part: GrpoPart, before: Stage | None, incidents: Pool) -> tuple[Learner, Steps]:
        network, vocabulary = self._network(before), build_vocabulary()
        reference = self._network(before) if part.divergence > 0 else None
        played = incidents if part.pool is None else self._pool(part.pool)
        suitable = played.where(lambda entry: entry.services <= part.largest)
        if not suitable:
            raise CallerError(f"stage {part.name}: no incident of the pool has at most {part.largest} services")
        plan = part.rollouts(self._seed("rollouts", part.name))
        play = Rollouts(Player(network, vocabulary), suitable, plan, part.pay.pay(), vocabulary)
        lessons = OracleLessons(suitable, part.lessons.plan(self._seed("lessons", part.name)), vocabulary)

        def steps(learner: Learner, progress: Progress) -> Iterator[dict[str, float]]:
            return grpo_steps(learner, play, part.plan(), progress, reference, lessons)

        updates = part.steps * part.updates
        return Learner(network, part.rate.schedule(updates), self.recipe.optimizer.decay()), steps

    def _leave(self, stage: Stage) -> None:
        """Draw the log, and write the stage's best network as a model that the service can play."""
        directory = self.directory / MODELS / stage.name
        if directory.exists():
            return
        draw(self.directory, stage.name)
        network, recipe = self._network(stage), self.recipe
        origin = Origin(
            name=f"hypocenter-{recipe.name}",
            version=stage.name,
            recipe=recipe.name,
            seeds={"recipe": recipe.seed, "pool": recipe.pool.seed, "exam": recipe.exam.pool.seed},
            scores={"held-back simulated incidents": self._scores(stage)},
        )
        export(directory, network.shape.config(), weights_of(network), origin)
        self.say(f"{stage.name}: {directory} is a model; evaluate it with --model {directory}")

    def _scores(self, stage: Stage) -> dict[str, float]:
        """What the exam said of the weights that the stage left."""
        progress = stage.progress()
        for record in read(self.directory / FILE_NAME):
            if (record["stage"], record["kind"], record["step"]) == (stage.name, EVALUATION, progress.best_step):
                return {name: record[name] for name in ("ac@1", "ac@3", "mrr")}  # pyright: ignore[reportReturnType]
        return {}

    def _seed(self, use: str, stage: str) -> int:
        """A seed for each use of chance in each stage, all from the recipe's."""
        return (self.recipe.seed * 100 + self.recipe.stage_names.index(stage)) * 10 + _SEED_OF[use]
