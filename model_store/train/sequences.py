"""What a trainer eats: one sequence of token ids a frame, exactly those that the engine saw and wrote."""

import bisect
from collections.abc import Sequence as Several
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.agent.budget import Budget
from service.agent.renderer import messages
from service.domain.transcript import Frame, Step, Transcript
from service.llm.embedded.chat import prompt_ids
from service.llm.embedded.grammar import Grammar, State
from service.llm.embedded.vocabulary import Vocabulary
from service.tools.specs import INVESTIGATE, PRINT_RESULTS, REPORT_VERDICT, SIGNAL_OF

_OPENING = 2  # messages before the first move: system prompt, question


@dataclass(frozen=True, slots=True, eq=False)
class Sequence:
    """One frame as arrays: ``ids`` [T], ``own`` [T] tells which of them the model wrote itself (its completions,
    ``<|end|>`` included), and ``allowed`` holds for each own position, in their order, the ids that the grammar left
    open there (ascending; the one written is among them). All else is masked from the loss. ``root`` is whether the
    frame is the incident's first; frames of one ``incident`` share its reward.
    """

    ids: NDArray[np.int32]
    own: NDArray[np.bool_]
    allowed: tuple[NDArray[np.int32], ...]
    incident: str
    frame: int
    root: bool


def sequences_of(
    transcript: Transcript, vocabulary: Vocabulary, grammar: Grammar, budget: Budget | None = None
) -> tuple[Sequence, ...]:
    """Every frame in which a move was made, up to its last completion. ``budget`` is that of the localization: it
    decides which tools a turn offered. A completion that the grammar would not have let pass (of a model that is not
    masked, or of an alias beyond those that have tokens) is nobody's own.
    """
    budget = budget or Budget()
    opened = sorted(frame.steps[0].round for frame in transcript.frames if frame.steps)
    return tuple(
        _sequence(transcript, frame, vocabulary, grammar, [_offered(frame, s, opened, budget) for s in frame.steps])
        for frame in transcript.frames
        if frame.steps
    )


def opened_by(state: State, completion: Several[int]) -> tuple[NDArray[np.int32], ...] | None:
    """The ids that are open before each token of a whole move; None if the grammar does not let it pass."""
    allowed: list[NDArray[np.int32]] = []
    for token in completion:
        allowed.append(state.allowed())
        if not (allowed[-1] == token).any():
            return None
        state = state.advance(token)
    return tuple(allowed) if state.done else None


def _offered(frame: Frame, step: Step, opened: Several[int], budget: Budget) -> tuple[str, ...]:
    """The tools that a turn could choose from, as the loop offered them (`service.agent.rounds`).

    A frame makes its first move in the round after it was opened, so those that have begun are those that were open.
    """
    ending = PRINT_RESULTS if frame.parent is None else REPORT_VERDICT
    if step.forced:
        return (ending,)
    frames = bisect.bisect_right(opened, step.round)
    deeper = (INVESTIGATE,) if frame.depth < budget.depth and frames < budget.frames else ()
    return (*SIGNAL_OF, *deeper, ending)


def _sequence(
    transcript: Transcript, frame: Frame, vocabulary: Vocabulary, grammar: Grammar, offered: Several[Several[str]]
) -> Sequence:
    said = messages(frame, transcript.rendering)
    ids = prompt_ids(said[:_OPENING], vocabulary)
    own, allowed = [False] * len(ids), list[NDArray[np.int32]]()
    for turn, step in enumerate(frame.steps):
        call, answer = said[_OPENING + 2 * turn : _OPENING + 2 * turn + 2]
        completion = list(step.token_ids) or prompt_ids((call,), vocabulary)[1:-1]
        opens = opened_by(grammar.start(offered[turn], ids), completion)
        allowed += opens or ()
        ids, own = ids + completion, own + [opens is not None] * len(completion)
        if turn < len(frame.steps) - 1:
            between = prompt_ids((answer,), vocabulary)
            ids, own = ids + between, own + [False] * len(between)
    return Sequence(
        ids=np.array(ids, np.int32),
        own=np.array(own, np.bool_),
        allowed=tuple(allowed),
        incident=transcript.incident_id,
        frame=frame.id,
        root=frame.parent is None,
    )
