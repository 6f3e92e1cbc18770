import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from model_store.train.augment import renumbered
from model_store.train.sequences import Sequence, sequences_of
from service.llm.embedded.vocabulary import ALIAS_COUNTS
from tests.train.playing import grammar, play, view_of, words


def original(seed: int) -> tuple[Sequence, ...]:
    outcome, _ = play(view_of(seed))
    return sequences_of(outcome.transcript, words(), grammar())


@settings(max_examples=20)
@given(chance=st.integers(0, 2**32 - 1), seed=st.integers(1, 3))
def test_renumbering_is_one_to_one_within_each_letter_and_the_same_in_all_frames(chance: int, seed: int) -> None:
    frames = original(seed)
    after = renumbered(frames, words(), grammar(), np.random.default_rng(chance))
    new_of: dict[int, int] = {}
    for f, g in zip(frames, after, strict=True):
        ends = np.flatnonzero(f.ids == words().encode("\n")[0])
        extent = range(int(ends[1]), int(ends[2])) if f.root else range(0)
        for place, (a, b) in enumerate(zip(f.ids.tolist(), g.ids.tolist(), strict=True)):
            if place in extent:
                assert a == b
            else:
                assert new_of.setdefault(a, b) == b
    assert len(set(new_of.values())) == len(new_of)
    letters = {i: letter for letter, ids in words().aliases.items() for i in ids.tolist()}
    assert all(letters.get(a) == letters.get(b) for a, b in new_of.items())
    assert all(a == b for a, b in new_of.items() if a not in letters)


@settings(max_examples=20)
@given(chance=st.integers(0, 2**32 - 1))
def test_evidence_rows_keep_their_order(chance: int) -> None:
    frames = original(1)
    after = renumbered(frames, words(), grammar(), np.random.default_rng(chance))
    rows = words().aliases["e"]
    for f, g in zip(frames, after, strict=True):
        places = np.flatnonzero(np.isin(f.ids, rows))
        before_order, after_order = f.ids[places], g.ids[places]
        assert (np.argsort(before_order, kind="stable") == np.argsort(after_order, kind="stable")).all()


def test_what_the_grammar_allows_is_what_it_would_allow_in_the_new_prompt() -> None:
    frames = original(2)
    for g in renumbered(frames, words(), grammar(), np.random.default_rng(3)):
        own = np.flatnonzero(g.own)
        assert len(own) == len(g.allowed)
        for place, allowed in zip(own.tolist(), g.allowed, strict=True):
            assert g.ids[place] in allowed
            named = np.isin(allowed, np.concatenate([words().aliases[x] for x in "cne"]))
            assert np.isin(allowed[named], g.ids[:place]).all()


def test_numbers_come_from_far_beyond_those_of_the_incident_too() -> None:
    frames = original(1)
    rng = np.random.default_rng(1)
    seen = np.concatenate([g.ids for _ in range(200) for g in renumbered(frames, words(), grammar(), rng)])
    for letter in "cneol":
        highest = words().aliases[letter][ALIAS_COUNTS[letter] // 2 :]
        if np.isin(words().aliases[letter], np.concatenate([f.ids for f in frames])).any():
            assert np.isin(highest, seen).any(), letter


def test_half_the_time_the_numbers_are_those_of_the_incident() -> None:
    frames = original(1)
    rng = np.random.default_rng(2)
    before = set(np.concatenate([f.ids for f in frames]).tolist())
    components = set(words().aliases["c"].tolist())
    same = [
        {i for g in renumbered(frames, words(), grammar(), rng) for i in g.ids.tolist()} & components <= before
        for _ in range(60)
    ]
    assert 15 <= sum(same) <= 45
