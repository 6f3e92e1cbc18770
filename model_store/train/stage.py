"""One stage of a run: steps are made, logged and kept; now and then the network sits an exam, and the best one stays.

A stage's directory holds ``checkpoint.pt`` (where it stands) and ``best.pt`` (the weights that the exams liked best,
with which the next stage begins). The log is the run's.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from model_store.train.checkpoint import Progress, progress_at, restore, save, save_weights
from model_store.train.learner import Learner
from model_store.train.log import EVALUATION, STEP, StageLog
from model_store.train.network import Llama
from service.errors import CallerError

CHECKPOINT, BEST = "checkpoint.pt", "best.pt"

Exam = Callable[[Llama], dict[str, float]]
"""Scores of a network on held-back incidents."""

Steps = Callable[[Learner, Progress], Iterator[dict[str, float]]]
"""Makes the steps that are left, telling each one's figures."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Every how many steps a stage is kept and examined, whether before the first one too, and by which score the best
    network is chosen.
    """

    keep_every: int
    examine_every: int
    examine_first: bool
    chosen_by: str


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of so many steps and where it lives; ``recipe`` are the numbers that it may not be resumed without, by
    their names.
    """

    name: str
    directory: Path
    recipe: Mapping[str, object]
    rhythm: Rhythm
    steps: int

    @property
    def best(self) -> Path:
        """The weights that the stage leaves behind."""
        return self.directory / BEST

    @property
    def done(self) -> bool:
        """Whether it has come to its end."""
        return self.progress().done

    def progress(self) -> Progress:
        """How far it has come."""
        return progress_at(self.directory / CHECKPOINT) or Progress()

    def check(self) -> None:
        """Raises `CallerError` if what is there was begun with another recipe."""
        if not (self.directory / CHECKPOINT).exists():
            return
        then, now = self.progress().recipe, _texts(self.recipe)
        for name in sorted(now.keys() | then.keys()):
            before, here = then.get(name, "nothing"), now.get(name, "nothing")
            if before != here:
                raise CallerError(
                    f"{self.directory}: {name} was {before} when this stage began and is {here} now; "
                    "go on with the recipe of then, or give another directory"
                )

    def run(self, learner: Learner, steps: Steps, examine: Exam, log: StageLog) -> Progress:
        """Make the steps that are left."""
        checkpoint = self.directory / CHECKPOINT
        progress = restore(checkpoint, learner) if checkpoint.exists() else Progress(recipe=_texts(self.recipe))
        log.rewind(progress.step)
        if self.rhythm.examine_first and progress.best_step < 0:
            self._examine(learner, progress, examine, log)
            save(checkpoint, learner, progress)
        for figures in steps(learner, progress):
            progress.tokens += int(figures.get("tokens", 0))
            progress.seconds += figures.get("seconds", 0.0)
            left_s = (self.steps - progress.step) * progress.seconds / progress.step
            log.write(STEP, progress.step - 1, figures, f"of {self.steps}, {left_s / 60:.0f} min left")
            if progress.step % self.rhythm.examine_every == 0:
                self._examine(learner, progress, examine, log)
            if progress.step % self.rhythm.keep_every == 0:
                save(checkpoint, learner, progress)
        if not progress.done:
            if progress.step % self.rhythm.examine_every:
                self._examine(learner, progress, examine, log)
            progress.done = True
            save(checkpoint, learner, progress)
        return progress

    def _examine(self, learner: Learner, progress: Progress, examine: Exam, log: StageLog) -> None:
        """Score the network as it is, and keep it if it is the best so far."""
        scores = examine(learner.network)
        log.write(EVALUATION, progress.step, scores)
        if scores[self.rhythm.chosen_by] > progress.best_score:
            progress.best_step, progress.best_score = progress.step, scores[self.rhythm.chosen_by]
            save_weights(self.best, learner.network.state_dict())


def _texts(recipe: Mapping[str, object]) -> dict[str, str]:
    """The recipe's numbers as they compare: flat, each as JSON."""
    flat: dict[str, str] = {}
    for name, value in recipe.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{inner}": text for inner, text in _texts(value).items()}
        else:
            flat[name] = json.dumps(value)
    return flat
