"""Sequences as tensors: batches of about equal lengths, and the ids that the grammar left, in a compact form.

Padding stands on the right, where a causal network never looks, so that no mask of it is needed; with lengths sorted
it is a few per cent of a batch. Measured on one core: packing saves these per cent and loses more, as attention then
needs a mask or a loop. Positions at which the grammar left one id only teach nothing (their log-probability is 0
whatever the weights are) and are left out.
"""

from collections.abc import Sequence as Many
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model_store.train.sequences import Sequence

PAD = 0
"""Any id will do: nothing reads what stands at padding."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """B sequences of T tokens with N choices: own positions at which the grammar left more than one id.

    ``place[n]`` is the flat index (of B·T) of the hidden state that makes choice n: one before the token itself.
    ``allowed`` are the ids left, of all choices one after another; choice n has those from ``bounds[n]`` to
    ``bounds[n + 1]``. ``member[n]`` is the choice's sequence in this batch and ``order[b]`` that sequence's number in
    what the batch was made from. ``tokens`` are the tokens without padding.
    """

    ids: Tensor  # B T
    place: Tensor  # N
    target: Tensor  # N
    member: Tensor  # N
    allowed: Tensor
    bounds: Tensor  # N + 1
    order: tuple[int, ...]
    tokens: int

    @property
    def choices(self) -> int:
        """N."""
        return len(self.target)

    def forbidden(self, vocabulary: int) -> Tensor:
        """What the grammar rules out, ``[N, V]``."""
        rows = torch.repeat_interleave(torch.arange(self.choices), self.bounds.diff())
        mask = torch.ones(self.choices, vocabulary, dtype=torch.bool)
        mask[rows, self.allowed] = False
        return mask


def batch_of(sequences: Many[Sequence], order: Many[int]) -> Batch:
    """The sequences of these numbers as one batch."""
    chosen = [sequences[number] for number in order]
    width = max(len(s.ids) for s in chosen)
    ids = np.full((len(chosen), width), PAD, dtype=np.int64)
    places, targets, members, allowed = [], [], [], []
    for row, sequence in enumerate(chosen):
        ids[row, : len(sequence.ids)] = sequence.ids
        at, left = choices(sequence)
        places.append(at - 1 + row * width)
        targets.append(sequence.ids[at])
        members.append(np.full(len(at), row))
        allowed += left
    return Batch(
        ids=torch.from_numpy(ids),
        place=_joined(places),
        target=_joined(targets),
        member=_joined(members),
        allowed=_joined(allowed),
        bounds=torch.from_numpy(np.cumsum([0, *(len(a) for a in allowed)])),
        order=tuple(order),
        tokens=sum(len(s.ids) for s in chosen),
    )


def choices(sequence: Sequence) -> tuple[npt.NDArray[np.int64], list[npt.NDArray[np.int32]]]:
    """The own positions at which there was a choice, and what was left to choose from at each."""
    at = np.flatnonzero(sequence.own)
    if len(at) != len(sequence.allowed):
        raise ValueError(f"{sequence.incident} frame {sequence.frame}: {len(at)} own, {len(sequence.allowed)} allowed")
    chosen = [k for k, left in enumerate(sequence.allowed) if len(left) > 1]
    return at[chosen], [sequence.allowed[k] for k in chosen]


def choice_count(sequence: Sequence) -> int:
    """How many choices a sequence holds."""
    return sum(len(left) > 1 for left in sequence.allowed)


def micro_batches(lengths: Many[int], tokens: int) -> list[list[int]]:
    """Numbers of sequences in batches of about equal lengths, none above so many tokens with its padding, unless one
    sequence alone is longer; each sequence in exactly one.
    """
    batches: list[list[int]] = []
    for number in sorted(range(len(lengths)), key=lambda n: (lengths[n], n)):
        if batches and lengths[number] * (len(batches[-1]) + 1) <= tokens:
            batches[-1].append(number)
        else:
            batches.append([number])
    return batches


def steps_of(lengths: Many[int], micro: int, per_step: int, rng: np.random.Generator) -> list[list[list[int]]]:
    """A pass over sequences as steps of an optimizer, each of micro-batches that hold about ``per_step`` tokens
    together; which lengths meet in a step is drawn. What is left at the end makes a step of its own if it is at least
    half a step, and is left out otherwise.
    """
    batches = micro_batches(lengths, micro)
    weights = [sum(lengths[n] for n in batch) for batch in batches]
    steps: list[list[list[int]]] = [[]]
    held = 0
    for number in rng.permutation(len(batches)):
        steps[-1].append(batches[number])
        held += weights[number]
        if held >= per_step:
            steps.append([])
            held = 0
    return steps if held * 2 >= per_step or len(steps) == 1 else list(islice(steps, len(steps) - 1))


def _joined(parts: Many[npt.NDArray[np.generic]]) -> Tensor:
    return torch.from_numpy(np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, dtype=np.int64))
