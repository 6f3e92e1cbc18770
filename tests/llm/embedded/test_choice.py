import numpy as np
import pytest

from service.llm.embedded.choice import Greedy, Sampling

PROMPT = np.array([1, 2, 3], np.int32)
LOGITS = np.log(np.array([0.5, 0.3, 0.2], np.float32))


def test_greedy_takes_the_likeliest_and_of_equals_the_first():
    pick = Greedy().begin(PROMPT)
    assert pick(LOGITS) == 0
    assert pick(np.array([1, 4, 4], np.float32)) == 1


def test_samples_come_as_often_as_they_are_likely():
    choice = Sampling(1.0, seed=3)
    counts = np.bincount([choice.begin(PROMPT)(LOGITS) for _ in range(3000)], minlength=3)
    np.testing.assert_allclose(counts / 3000, [0.5, 0.3, 0.2], atol=0.04)


def test_a_cold_choice_is_nearly_greedy():
    choice = Sampling(0.02, seed=3)
    assert {choice.begin(PROMPT)(LOGITS) for _ in range(200)} == {0}


def test_what_else_is_asked_meanwhile_changes_nothing():
    alone, among = Sampling(1.0, seed=5), Sampling(1.0, seed=5)
    first = [alone.begin(PROMPT)(LOGITS) for _ in range(50)]
    second: list[int] = []
    for number in range(50):
        among.begin(np.array([9, number], np.int32))(LOGITS)
        second.append(among.begin(PROMPT)(LOGITS))
    assert first == second
    assert len(set(first)) > 1


def test_another_seed_is_another_chance():
    one, other = Sampling(1.0, seed=5), Sampling(1.0, seed=6)
    assert [one.begin(PROMPT)(LOGITS) for _ in range(50)] != [other.begin(PROMPT)(LOGITS) for _ in range(50)]


def test_a_token_without_any_chance_is_never_drawn():
    choice = Sampling(1.0, seed=1)
    logits = np.array([-np.inf, 0, -np.inf], np.float32)
    assert {choice.begin(PROMPT)(logits) for _ in range(50)} == {1}


def test_no_temperature_is_told_apart_from_greed():
    with pytest.raises(ValueError, match="greedy choice is `Greedy`"):
        Sampling(0, seed=1)
