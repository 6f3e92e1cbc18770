from collections.abc import Sequence as Several
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_store.train.sequences import Sequence, sequences_of
from service.agent.budget import Budget
from service.domain.fault import Fault
from service.llm.embedded.chat import prompt_ids
from service.llm.rules import RulesModel
from service.llm.scripted import ScriptedModel, call
from service.ports import ChatReply
from tests.train.playing import grammar, play, view_of, words

BUDGETS = [Budget(), Budget(depth=0), Budget(frames=3), Budget(turns=3), Budget(tokens=900)]


def completions(frame: Sequence) -> list[list[int]]:
    """What the model wrote, turn by turn."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], frame.own, [False]]).astype(np.int8)))
    return [frame.ids[a:b].tolist() for a, b in edges.reshape(-1, 2).tolist()]


def run(seed: int, budget: Budget) -> tuple[tuple[Sequence, ...], dict[tuple[int, ...], tuple[str, ...]], list[int]]:
    """A localization's sequences, what each prompt allowed, and how many moves were made."""
    outcome, heard = play(view_of(seed), budget=budget)
    asked = {tuple(prompt_ids(r.messages, words())): r.allowed for r, _ in heard.turns}
    return sequences_of(outcome.transcript, words(), grammar(), budget), asked, [len(heard.turns)]


@pytest.mark.parametrize("budget", BUDGETS)
@settings(max_examples=4)
@given(seed=st.integers(1, 6))
def test_every_completion_follows_exactly_the_prompt_that_was_asked_and_under_its_tools(
    seed: int, budget: Budget
) -> None:
    sequences, asked, moves = run(seed, budget)
    told = 0
    for frame in sequences:
        positions = np.flatnonzero(frame.own)
        place = 0
        for completion in completions(frame):
            start = int(positions[place])
            prompt = tuple(frame.ids[:start].tolist())
            state = grammar().start(asked[prompt], prompt)
            for token in completion:
                assert frame.allowed[place].tolist() == state.allowed().tolist()
                assert token in frame.allowed[place]
                state, place = state.advance(token), place + 1
            assert state.done
            told += 1
    assert [told] == moves


def test_one_sequence_a_frame_and_it_ends_with_its_last_completion() -> None:
    outcome, _ = play(view_of(1))
    sequences = sequences_of(outcome.transcript, words(), grammar())
    assert [s.frame for s in sequences] == [f.id for f in outcome.transcript.frames]
    assert [s.root for s in sequences] == [True] + [False] * (len(sequences) - 1)
    for s in sequences:
        assert s.ids[-1] == words().end
        assert s.own[-1]
        assert len(s.ids) == len(s.own)
        assert int(s.own.sum()) == len(s.allowed)
        assert (s.ids != words().unknown).all()


def test_ids_that_the_engine_reports_are_taken_as_they_are() -> None:
    outcome, _ = play(view_of(1))
    transcript = outcome.transcript
    plain = sequences_of(transcript, words(), grammar())
    for frame, sequence in zip(transcript.frames, plain, strict=True):
        frame.steps = [
            replace(step, token_ids=tuple(ids)) for step, ids in zip(frame.steps, completions(sequence), strict=True)
        ]
    for before, after in zip(plain, sequences_of(transcript, words(), grammar()), strict=True):
        assert before.ids.tolist() == after.ids.tolist()
        assert before.own.tolist() == after.own.tolist()


@pytest.mark.parametrize(
    "bad",
    [
        ChatReply(text="<|end|> I think it is the network"),
        call("search_traces", component="c77"),
        call("print_results", causes=[{"component": "c0", "fault": "cpu", "rows": ["e1000"]}]),
    ],
)
def test_what_the_grammar_would_not_let_pass_is_nobodys_own(bad: ChatReply) -> None:
    replies: Several[ChatReply] = [
        bad,
        call("print_results", causes=[{"component": "c0", "fault": "slow", "rows": list[str]()}]),
    ]
    view = view_of(2, Fault.SLOW)
    outcome, heard = play(view, ScriptedModel({"root": replies}))
    (root,) = sequences_of(outcome.transcript, words(), grammar())
    right = 1 if len(heard.turns) == 2 else 0
    assert len(completions(root)) == right
    assert (root.ids[np.flatnonzero(root.own)] == words().end).sum() == right


def test_a_transcript_without_frames_has_no_sequences() -> None:
    outcome, _ = play(view_of(1), RulesModel())
    outcome.transcript.frames.clear()
    assert sequences_of(outcome.transcript, words(), grammar()) == ()
