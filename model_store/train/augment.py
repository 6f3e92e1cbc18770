"""The same incident under other aliases, so that nothing is learned from the number of one.

Components, operations and log templates are renumbered at random, half the time over the numbers that the incident
has anyway, else over more, up to all that have a token: low numbers are those of nearly every incident, and must be
learned well, high ones must be known. Evidence rows are numbered by their strength, which means something: they are
only spread, in their order. The line of the question that tells the extent (``c0 to c15``) stays: it counts.
"""

from collections.abc import Sequence as Several
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from model_store.train.sequences import Sequence, opened_by
from service.llm.embedded import pieces
from service.llm.embedded.grammar import Grammar
from service.llm.embedded.vocabulary import Vocabulary

SPREAD_SHARE = 0.5
"""How often numbers beyond those of the incident are used."""

_EXTENT_LINE = 2  # of the root's question, counted from 0

Ids = NDArray[np.int32]


def renumbered(
    frames: Several[Sequence], vocabulary: Vocabulary, grammar: Grammar, rng: np.random.Generator
) -> tuple[Sequence, ...]:
    """All frames of one incident under the same new aliases, with what the grammar then allows."""
    table = _renumbering(frames, vocabulary, rng)
    tools = {vocabulary.id(opening): tool for tool, opening in pieces.OPENING.items()}
    return tuple(_of_frame(frame, table, vocabulary.id("\n"), grammar, tools) for frame in frames)


def _renumbering(frames: Several[Sequence], vocabulary: Vocabulary, rng: np.random.Generator) -> Ids:
    """The new id of every old one."""
    table = np.arange(vocabulary.size, dtype=np.int32)
    there = np.concatenate([frame.ids for frame in frames])
    for letter, aliases in vocabulary.aliases.items():
        used = np.flatnonzero(np.isin(aliases, there))
        if not len(used):
            continue
        extent = _extent_of(int(used[-1]) + 1, len(aliases), rng)
        if letter == "e":
            table[aliases[used]] = aliases[np.sort(rng.choice(extent, len(used), replace=False))]
        else:
            table[aliases[:extent]] = rng.permutation(aliases[:extent])
    return table


def _extent_of(needed: int, there: int, rng: np.random.Generator) -> int:
    """From how many numbers the new ones are taken, as often few as many."""
    if rng.random() >= SPREAD_SHARE:
        return needed
    return round(float(np.exp(rng.uniform(np.log(needed), np.log(there)))))


def _of_frame(frame: Sequence, table: Ids, newline: int, grammar: Grammar, tools: dict[int, str]) -> Sequence:
    ids = table[frame.ids]
    if frame.root:
        extent = _extent(frame.ids, newline)
        ids[extent] = frame.ids[extent]
    return replace(frame, ids=ids, allowed=_allowed(frame, ids, grammar, tools))


def _extent(ids: Ids, newline: int) -> slice:
    """Where the line stands that tells how many components there are."""
    ends = np.flatnonzero(ids == newline)
    return slice(int(ends[_EXTENT_LINE - 1]), int(ends[_EXTENT_LINE])) if len(ends) > _EXTENT_LINE else slice(0)


def _allowed(frame: Sequence, ids: Ids, grammar: Grammar, tools: dict[int, str]) -> tuple[Ids, ...]:
    """What the grammar leaves open at each own position; which tools a turn offered stands in what it did before."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], frame.own, [False]]).astype(np.int8)))
    allowed: list[Ids] = []
    for start, end in edges.reshape(-1, 2).tolist():
        offered = [tools[token] for token in frame.allowed[len(allowed)].tolist()]
        opens = opened_by(grammar.start(offered, ids[:start]), ids[start:end].tolist())
        assert opens is not None, "a renumbered move is as right as it was"
        allowed += opens
    return tuple(allowed)
