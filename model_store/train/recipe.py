"""What a run is made of, number by number: a TOML file in which nothing is misspelt or left to guess."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model_store.train.filling import PoolPlan
from model_store.train.grpo import GrpoPlan
from model_store.train.learner import Decay, Schedule
from model_store.train.lessons import LessonPlan
from model_store.train.network import Shape
from model_store.train.rewards import Exploration, Pay
from model_store.train.rollouts import RolloutPlan
from model_store.train.sft import SftPlan
from model_store.train.stage import Rhythm
from service.errors import CallerError
from service.grader.reward import RewardWeights

RECIPES = Path(__file__).with_name("recipes")

Count = Annotated[int, Field(ge=1)]
Weight = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Temperature = Annotated[float, Field(gt=0)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
Part = Literal["rank", "recall", "way", "made_up", "format", "exploration", "fault", "proof"]


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NetworkPart(_Group):
    """How large the network is; a head has 64 features."""

    hidden: Count
    layers: Count
    heads: Count
    intermediate: Count
    context: Count = 2048

    def shape(self, vocabulary: int) -> Shape:
        """The same with a vocabulary of so many words."""
        return Shape(vocabulary, self.hidden, self.layers, self.heads, self.intermediate, self.context)


class OptimizerPart(_Group):
    """AdamW for the embedding, Muon for the matrices inside; the same in all stages, begun anew in each."""

    beta_1: Share = 0.9
    beta_2: Share = 0.95
    weight_decay: Weight = 0.1
    longest_gradient: Temperature = 1.0
    momentum: Share = 0.95
    faster: Temperature = 4.0
    """Muon's learning rate, in those of AdamW."""

    def decay(self) -> Decay:
        """As the learner takes it."""
        return Decay(**self.model_dump())


class RatePart(_Group):
    """The learning rate: ``peak`` after ``warmup`` updates, then down to ``floor`` of it at the end."""

    peak: Temperature
    warmup: Count = 1
    floor: Share = 0.1

    def schedule(self, updates: int) -> Schedule:
        """Over so many updates."""
        return Schedule(self.peak, self.warmup, updates, self.floor)


class RhythmPart(_Group):
    """Every how many steps a stage is kept and examined, and which score of the exam chooses its best network."""

    keep_every: Count
    examine_every: Count
    chosen_by: Literal["ac@1", "ac@3", "mrr", "reward"] = "mrr"

    def rhythm(self, *, examine_first: bool) -> Rhythm:
        """As a stage takes it."""
        return Rhythm(self.keep_every, self.examine_every, examine_first, self.chosen_by)


class LessonsPart(_Group):
    """The oracle's lessons: incidents in a shard (of which a GRPO step takes one), and how varied the oracle plays."""

    incidents: Count
    temperature: Weight = 1.0

    def plan(self, seed: int) -> LessonPlan:
        """As the oracle's lessons are made."""
        return LessonPlan(self.incidents, self.temperature, seed)


class ExamPart(_Group):
    """The held-back pool, and how many of its incidents are played at once."""

    pool: PoolPlan
    at_once: Count = 64


class ExplorationPart(_Group):
    """What looks pay: `model_store.train.rewards.Exploration`."""

    new_and_right: float = 1.0
    new_and_wrong: float = 0.1
    repeated: float = -0.1
    enough: Temperature = 2.0


class ShapesPart(_Group):
    """Shapes of rank and way: `service.grader.reward.RewardWeights`; the weights of there are `PayPart`'s."""

    rank_depth: Count = 10
    way_slack: Annotated[int, Field(ge=0)] = 1
    way_depth: Count = 5
    way_hit_floor: Share = 0.5
    way_miss_cap: Share = 0.1


class PayPart(_Group):
    """What an episode is paid: the weight of each part of the reward, those left out 0; an ablation sets one to 0."""

    weights: dict[Part, Weight]
    exploration: ExplorationPart = ExplorationPart()
    shapes: ShapesPart = ShapesPart()
    child_fault: Share = 0.3

    def pay(self) -> Pay:
        """As the grader takes it."""
        shapes = RewardWeights(**self.shapes.model_dump())
        return Pay(
            {part: float(weight) for part, weight in self.weights.items()},
            shapes,
            Exploration(**self.exploration.model_dump()),
            self.child_fault,
        )


class SftPart(_Group):
    """The first stage: learn to write what the oracle wrote."""

    name: Name = "sft"
    steps: Count
    step_tokens: Count
    micro_tokens: Count
    rate: RatePart
    lessons: LessonsPart
    rhythm: RhythmPart
    page: Annotated[float, Field(ge=0)] = 0.0
    """Weight of foretelling the page itself."""

    def plan(self, seed: int) -> SftPlan:
        """As `sft_steps` takes it."""
        return SftPlan(self.steps, self.step_tokens, self.micro_tokens, seed, self.page)


class GrpoPart(_Group):
    """One stage of GRPO: what is played, what is paid, how it is learned."""

    name: Name
    steps: Count
    incidents: Count
    group: Annotated[int, Field(ge=2)]
    temperature: Temperature
    pool: PoolPlan | None = None
    """Incidents that no stage before has seen; else those of the recipe."""
    largest: Count = 400
    """Only incidents of at most so many services: from small to large."""
    rate: RatePart
    updates: Count = 1
    micro_tokens: Count
    clip_low: Weight = 0.2
    clip_high: Weight = 0.28
    divergence: Weight = 0.0
    entropy: Weight = 0.0
    by_deviation: bool = True
    """Whether every group counts alike; else a group whose rewards hardly differ teaches hardly anything."""
    child: Weight = 0.3
    least: Weight = 0.0
    lessons_weight: Weight = 0.0
    lessons: LessonsPart = LessonsPart(incidents=8)
    pay: PayPart
    rhythm: RhythmPart

    def plan(self) -> GrpoPlan:
        """As `grpo_steps` takes it."""
        same = ("steps", "updates", "micro_tokens", "temperature", "clip_low", "clip_high", "divergence", "entropy")
        numbers = {name: getattr(self, name) for name in (*same, "by_deviation", "child", "least")}
        return GrpoPlan(**numbers, lessons=self.lessons_weight)

    def rollouts(self, seed: int) -> RolloutPlan:
        """As `Rollouts` takes it."""
        return RolloutPlan(self.incidents, self.group, self.temperature, seed)


class Recipe(_Group):
    """A whole run: a network, a pool to learn from and one held back, priming and the stages after it."""

    name: Name
    seed: Annotated[int, Field(ge=0)]
    network: NetworkPart
    optimizer: OptimizerPart = OptimizerPart()
    pool: PoolPlan
    exam: ExamPart
    sft: SftPart
    stages: tuple[GrpoPart, ...] = ()

    @property
    def stage_names(self) -> tuple[str, ...]:
        """In their order."""
        return (self.sft.name, *(stage.name for stage in self.stages))

    def stage(self, name: str) -> SftPart | GrpoPart:
        """The stage of that name."""
        return next(part for part in (self.sft, *self.stages) if part.name == name)

    def part(self, stage: str) -> dict[str, object]:
        """The numbers that a stage depends on and may not be taken up again without."""
        common = {"seed", "network", "optimizer", "pool", "exam"}
        return {**self.model_dump(mode="json", include=common), "stage": self.stage(stage).model_dump(mode="json")}


def read_recipe(name: str) -> Recipe:
    """The recipe in a file, or of that name among ours. `CallerError`, one line, for one that cannot be meant."""
    file = Path(name) if name.endswith(".toml") else RECIPES / f"{name}.toml"
    try:
        recipe = Recipe.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        ours = ", ".join(sorted(f.stem for f in RECIPES.glob("*.toml")))
        raise CallerError(
            f"{file}: cannot be read ({error.strerror}); there are {ours}, or name a .toml file"
        ) from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise CallerError(f"{file}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except ValueError as error:
        raise CallerError(f"{file}: is no TOML: {error}") from None
    if len(set(recipe.stage_names)) < len(recipe.stage_names):
        raise CallerError(f"{file}: two stages have one name: {', '.join(recipe.stage_names)}")
    if recipe.exam.pool.seed in {recipe.pool.seed, *(stage.pool.seed for stage in recipe.stages if stage.pool)}:
        raise CallerError(f"{file}: exam.pool.seed: is that of a pool to learn from; what is held back needs another")
    return recipe
