# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# The types of torch and tokenizers are partly unknown.
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch", reason="training needs torch, which make test installs")

from model_store.train.batches import batch_of, choice_count, micro_batches, steps_of
from tests.train import tiny

lengths = st.lists(st.integers(1, 50), min_size=1, max_size=60)


@given(lengths, st.integers(1, 200))
def test_every_sequence_is_in_one_micro_batch_that_holds_what_it_may(lengths: list[int], tokens: int) -> None:
    batches = micro_batches(lengths, tokens)
    assert sorted(number for batch in batches for number in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or max(lengths[n] for n in batch) * len(batch) <= tokens


@given(lengths, st.integers(1, 200), st.integers(1, 400), st.integers(0, 5))
def test_a_pass_repeats_nothing_and_leaves_out_less_than_half_a_step(
    lengths: list[int], micro: int, per_step: int, seed: int
) -> None:
    steps = steps_of(lengths, micro, per_step, np.random.default_rng(seed))
    numbers = [number for step in steps for batch in step for number in batch]
    assert len(set(numbers)) == len(numbers)
    assert numbers
    left_out = sum(lengths) - sum(lengths[number] for number in numbers)
    assert left_out * 2 < per_step
    for step in steps[:-1]:
        assert sum(lengths[n] for batch in step for n in batch) >= per_step


def test_a_choice_is_made_by_the_state_before_it() -> None:
    sequences = [tiny.frame(1, length=12), tiny.frame(2, length=20)]
    batch = batch_of(sequences, [1, 0])
    assert batch.ids.shape == (2, 20)
    assert batch.order == (1, 0)
    assert batch.tokens == 32
    flat = batch.ids.flatten()
    assert flat[batch.place + 1].tolist() == batch.target.tolist()
    assert batch.member.tolist() == [0, 0, 1, 1]


def test_positions_without_a_choice_are_left_out() -> None:
    frame = tiny.frame(3)
    assert frame.own.sum() == 4
    assert choice_count(frame) == 2
    assert batch_of([frame], [0]).choices == 2


def test_everything_but_what_the_grammar_left_is_forbidden() -> None:
    frame = tiny.frame(4)
    forbidden = batch_of([frame], [0]).forbidden(tiny.VOCABULARY)
    left = [np.flatnonzero(~row).tolist() for row in forbidden.numpy()]
    assert left == [allowed.tolist() for allowed in frame.allowed if len(allowed) > 1]


def test_frames_without_a_choice_make_a_batch_without_choices() -> None:
    frame = tiny.frame(5)
    silent = type(frame)(frame.ids, np.zeros_like(frame.own), (), "i", 0, True)
    assert batch_of([silent], [0]).choices == 0
