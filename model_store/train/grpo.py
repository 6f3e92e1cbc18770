"""GRPO over frames: several episodes of each incident are played, and what was paid above its group is made likelier.

A plain loop instead of an existing trainer: an episode is a tree of frames, each a sequence of its own with several
completions in it, which trainers that sample one completion a prompt cannot say; and on two cores their overhead would
be most of the cost. The loss is over the model's own tokens only, under the grammar's mask and at the temperature at
which they were sampled. The probabilities before the first update are computed here, with the same arithmetic as those
after it, instead of trusting the sampler's.
"""

import time
from collections.abc import Callable, Hashable, Iterator
from collections.abc import Sequence as Many
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from model_store.train.advantages import EQUAL, advantages, among_like, clipped_loss, clipped_share
from model_store.train.batches import Batch, batch_of, micro_batches
from model_store.train.checkpoint import Progress
from model_store.train.learner import Learner
from model_store.train.network import Llama
from model_store.train.policy import divergence, frozen_policy, policy
from model_store.train.rewards import Graded
from model_store.train.sequences import Sequence
from model_store.train.sft import Figures, Lessons, sft_loss


@dataclass(frozen=True, slots=True)
class Episode:
    """One localization that was played: its frames in the order in which they opened, the component that each is
    about, what it was paid, and what a log wants to know of it (turns, depth, …).
    """

    frames: tuple[Sequence, ...]
    about: tuple[Hashable, ...]
    graded: Graded
    figures: dict[str, float] = field(default_factory=dict[str, float])


Play = Callable[[int], Many[Many[Episode]]]
"""Plays the groups of one step, each several episodes of one incident, with the learner's network as it is now."""


@dataclass(frozen=True, slots=True)
class GrpoPlan:
    """How a stage learns: see the recipe for each number."""

    steps: int
    updates: int  # passes over what was sampled once
    micro_tokens: int
    temperature: float
    clip_low: float
    clip_high: float
    divergence: float  # weight of KL(policy ‖ reference); 0 saves the reference's forward pass
    entropy: float  # weight of the entropy that is to be kept up
    by_deviation: bool  # whether advantages are in standard deviations of their group
    child: float  # weight of a child's own verdict
    least: float  # frames whose advantage is smaller teach too little for what they cost
    lessons: float  # weight of the SFT loss that is mixed in


def grpo_steps(
    learner: Learner, play: Play, plan: GrpoPlan, progress: Progress, reference: Llama | None, lessons: Lessons | None
) -> Iterator[Figures]:
    """Learn, step by step from where ``progress`` stands, telling each step's figures; progress is kept up to date.

    ``reference`` is the policy to stay near to, ``lessons`` gives a step's frames of the oracle; both may be None
    where their weight is 0.
    """
    while progress.step < plan.steps:
        started = time.perf_counter()
        groups = play(progress.step)
        sampled = time.perf_counter()
        frames, paid = taught(groups, plan)
        figures = told(groups) | {"taught_frames": len(frames)}
        lesson = lessons(progress.step) if lessons is not None and plan.lessons > 0 else ()
        figures |= learn(learner, frames, paid, plan, reference, lesson)
        progress.step += 1
        ended = time.perf_counter()
        figures["tokens_per_s"] = figures["tokens"] / (ended - sampled)
        yield figures | {"rollout_seconds": sampled - started, "seconds": ended - started}


def taught(groups: Many[Many[Episode]], plan: GrpoPlan) -> tuple[list[Sequence], list[float]]:
    """The frames that teach something and the advantage of each: its incident's, and its own verdict's if it is a
    child. Groups whose rewards are all equal have none, and frames with hardly any are left out.
    """
    frames: list[Sequence] = []
    paid: list[float] = []
    for group in groups:
        for episode, shared, own in zip(group, _shared(group, plan), _own(group), strict=True):
            for frame, verdict in zip(episode.frames, own, strict=True):
                advantage = shared + plan.child * verdict
                if abs(advantage) > max(EQUAL, plan.least):
                    frames.append(frame)
                    paid.append(advantage)
    return frames, paid


def learn(
    learner: Learner,
    frames: Many[Sequence],
    paid: Many[float],
    plan: GrpoPlan,
    reference: Llama | None,
    lesson: Many[Sequence],
) -> Figures:
    """Update the network on frames and their advantages, several times if the plan says so; figures of all updates
    together. Where nothing was taught nothing changes, not even the optimizer.
    """
    batches = [batch_of(frames, micro) for micro in micro_batches([len(f.ids) for f in frames], plan.micro_tokens)]
    seen = _Seen(choices=sum(batch.choices for batch in batches), tokens=sum(batch.tokens for batch in batches))
    if seen.choices:
        # After one update nobody asks for the probabilities before it: they are those that the update starts from.
        before = [None] * len(batches) if plan.updates == 1 else _written(learner.network, batches, plan.temperature)
        advantage = [_of_choices(batch, paid) for batch in batches]
        stacked = list(zip(batches, advantage, before, strict=True))
        for _ in range(plan.updates):
            seen.rate = learner.rate
            seen.gradient = learner.update(_losses(learner.network, stacked, plan, reference, lesson, seen))
            seen.updates += 1
    return seen.figures()


@dataclass(slots=True)
class _Seen:
    """Sums over the choices of a step's updates."""

    choices: int
    tokens: int
    updates: int = 0
    loss: float = 0.0
    entropy: float = 0.0
    divergence: float = 0.0
    clipped: float = 0.0
    lesson: float = 0.0
    gradient: float = 0.0
    rate: float = 0.0

    def figures(self) -> Figures:
        """Means over choices and updates."""
        count = max(1, self.choices * self.updates)
        return {
            "loss": self.loss / count,
            "entropy": self.entropy / count,
            "kl": self.divergence / count,
            "clipped": self.clipped / count,
            "sft_loss": self.lesson / max(1, self.updates),
            "gradient": self.gradient,
            "learning_rate": self.rate,
            "choices": self.choices,
            "tokens": self.tokens,
        }


def _losses(
    network: Llama,
    stacked: Many[tuple[Batch, Tensor, Tensor | None]],
    plan: GrpoPlan,
    reference: Llama | None,
    lesson: Many[Sequence],
    seen: _Seen,
) -> Iterator[Tensor]:
    for batch, advantage, before in stacked:
        now = policy(network, batch, plan.temperature)
        then = now.written.detach() if before is None else before
        loss = clipped_loss(now.written, then, advantage, plan.clip_low, plan.clip_high).sum()
        seen.loss += float(loss.detach())
        seen.clipped += batch.choices * clipped_share(
            now.written.detach(), then, advantage, plan.clip_low, plan.clip_high
        )
        entropy = now.entropy.sum() if plan.entropy else now.entropy.detach().sum()
        seen.entropy += float(entropy.detach())
        if reference is not None and plan.divergence > 0:
            apart = divergence(now, frozen_policy(reference, batch, plan.temperature)).sum()
            seen.divergence += float(apart.detach())
            loss = loss + plan.divergence * apart
        yield (loss - plan.entropy * entropy) / seen.choices
    if lesson:
        yield from _lesson_losses(network, lesson, plan, seen)


def _lesson_losses(network: Llama, lesson: Many[Sequence], plan: GrpoPlan, seen: _Seen) -> Iterator[Tensor]:
    batches = [batch_of(lesson, micro) for micro in micro_batches([len(s.ids) for s in lesson], plan.micro_tokens)]
    choices = max(1, sum(batch.choices for batch in batches))
    for batch in batches:
        loss, _, _ = sft_loss(network, batch)
        seen.lesson += float(loss.detach()) / choices
        yield plan.lessons * loss / choices


def _written(network: Llama, batches: Many[Batch], temperature: float) -> list[Tensor | None]:
    return [frozen_policy(network, batch, temperature).written for batch in batches]


def _of_choices(batch: Batch, paid: Many[float]) -> Tensor:
    """The advantage of each choice ``[N]``: that of the frame in which it was made."""
    of_frame = torch.tensor([paid[number] for number in batch.order], dtype=torch.float32)
    return of_frame[batch.member]


def _shared(group: Many[Episode], plan: GrpoPlan) -> list[float]:
    better = advantages([episode.graded.total for episode in group], by_deviation=plan.by_deviation)
    return [0.0] * len(group) if better is None else better.tolist()


def _own(group: Many[Episode]) -> list[list[float]]:
    """What each frame's verdict is worth against those of the group about the same component."""
    verdicts = [verdict for episode in group for verdict in episode.graded.verdicts]
    kinds = [about for episode in group for about in episode.about]
    better = iter(among_like(verdicts, kinds).tolist())
    return [[next(better) for _ in episode.frames] for episode in group]


def told(groups: Many[Many[Episode]]) -> Figures:
    """What was played, for the log: the mean reward and its parts, how alike the groups are, and means of whatever
    the episodes tell of themselves.
    """
    episodes = [episode for group in groups for episode in group]
    totals = [[episode.graded.total for episode in group] for group in groups]
    figures = {
        "reward": _mean([total for group in totals for total in group]),
        "reward_deviation": _mean([float(np.std(group)) for group in totals]),
        "equal_groups": _mean([float(advantages(group) is None) for group in totals]),
        "frames": _mean([len(episode.frames) for episode in episodes]),
    }
    for part in episodes[0].graded.parts if episodes else ():
        figures[f"reward_{part}"] = _mean([episode.graded.parts[part] for episode in episodes])
    right = [v for episode in episodes for v in episode.graded.verdicts if v is not None]
    if right:
        figures["verdicts_right"] = _mean(right)
    for name in episodes[0].figures if episodes else ():
        figures[name] = _mean([episode.figures[name] for episode in episodes])
    return figures


def _mean(values: Many[float]) -> float:
    return float(np.mean(values)) if len(values) else 0.0
