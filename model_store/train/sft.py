"""The first half of priming: the network learns to write what the oracle wrote, under the mask that serving has.

Lessons come in shards, each made from its number alone; a shard is passed over once. So the place in the data is a
shard and how many of its steps were made.
"""

import time
from collections.abc import Callable, Iterator
from collections.abc import Sequence as Many
from dataclasses import dataclass

import numpy as np
from torch import Tensor
from torch.nn import functional

from model_store.train.batches import PAD, Batch, batch_of, choice_count, steps_of
from model_store.train.checkpoint import Progress
from model_store.train.learner import Learner
from model_store.train.network import Llama
from model_store.train.policy import under_mask
from model_store.train.sequences import Sequence
from service.errors import CallerError

Lessons = Callable[[int], Many[Sequence]]
"""A shard of oracle frames by its number: the same number gives the same frames. There is no last one."""

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class SftPlan:
    """How much is learned: updates, tokens in one of them, tokens that go through the network at once."""

    steps: int
    step_tokens: int
    micro_tokens: int
    seed: int
    page: float = 0.0  # weight of foretelling the page itself, a token, beside one choice


def sft_steps(learner: Learner, lessons: Lessons, plan: SftPlan, progress: Progress) -> Iterator[Figures]:
    """Learn, step by step from where ``progress`` stands, telling each step's figures; progress is kept up to date."""
    while progress.step < plan.steps:
        shard = lessons(progress.shard)
        lengths = [len(sequence.ids) for sequence in shard]
        rng = np.random.default_rng([plan.seed, progress.shard])
        steps = steps_of(lengths, plan.micro_tokens, plan.step_tokens, rng) if shard else []
        if not steps:
            raise CallerError(f"shard {progress.shard} of the oracle's lessons is empty: the pool holds no incidents")
        for step in steps[progress.offset : progress.offset + plan.steps - progress.step]:
            figures = sft_step(learner, shard, step, plan.page)
            progress.step += 1
            progress.offset += 1
            yield figures
        if progress.offset >= len(steps):
            progress.shard, progress.offset = progress.shard + 1, 0


def sft_step(learner: Learner, shard: Many[Sequence], step: Many[Many[int]], page: float = 0.0) -> Figures:
    """One update on some micro-batches of a shard; ``loss`` is in nats a choice, ``page_loss`` in nats a token.

    A page has ten tokens where its frame has one choice. Foretelling them (weight ``page``) teaches early what choosing
    alone teaches late: that an alias stands for whatever stood beside it before.
    """
    started = time.perf_counter()
    rate, total, right, tokens, told = learner.rate, 0.0, 0, 0, 0.0
    choices = sum(choice_count(shard[number]) for micro in step for number in micro)

    def losses() -> Iterator[Tensor]:
        nonlocal total, right, tokens, told
        for micro in step:
            batch = batch_of(shard, micro)
            loss, hits, foretold = sft_loss(learner.network, batch, with_page=page > 0)
            total, right, tokens = total + float(loss.detach()), right + hits, tokens + batch.tokens
            told += float(foretold.detach())
            yield (loss + page * foretold) / choices

    length = learner.update(losses())
    seconds = time.perf_counter() - started
    return {
        "loss": total / choices,
        "right": right / choices,
        "page_loss": told / max(1, tokens),
        "learning_rate": rate,
        "gradient": length,
        "tokens": tokens,
        "choices": choices,
        "tokens_per_s": tokens / seconds,
        "seconds": seconds,
    }


def sft_loss(network: Llama, batch: Batch, *, with_page: bool = False) -> tuple[Tensor, int, Tensor]:
    """What the choices of a batch cost together, in nats, how many of them the network would have made itself, and
    what foretelling the page costs (0 where it is not asked for).
    """
    hidden = network(batch.ids)
    chosen = under_mask(network.logits(hidden.flatten(0, 1).index_select(0, batch.place)), batch)
    hits = int((chosen.scores.argmax(dim=-1) == batch.target).sum())
    return -chosen.written.sum(), hits, _foretold(network, hidden, batch) if with_page else hidden.new_zeros(())


def _foretold(network: Llama, hidden: Tensor, batch: Batch) -> Tensor:
    scores = network.logits(hidden[:, :-1]).flatten(0, 1)
    return functional.cross_entropy(scores, batch.ids[:, 1:].flatten(), ignore_index=PAD, reduction="sum")
