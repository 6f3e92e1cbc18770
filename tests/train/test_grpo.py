from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="training needs torch, which make test installs")

import torch

from model_store.train.batches import batch_of
from model_store.train.checkpoint import Progress
from model_store.train.grpo import grpo_steps, learn, taught, told
from model_store.train.learner import Learner
from model_store.train.policy import policy
from tests.train import tiny
from tests.train.episodes import PLAN, Players, episode

ALONE = replace(PLAN, divergence=0.0, entropy=0.0, lessons=0.0, updates=1)


def likelihood(learner: Learner, number: int) -> float:
    with torch.no_grad():
        return float(policy(learner.network, batch_of([tiny.frame(number)], [0]), ALONE.temperature).written.sum())


def test_frames_share_what_their_incident_was_paid() -> None:
    frames, paid = taught([[episode(1, 1.0), episode(2, 0.0)]], replace(ALONE, child=0.0))
    assert len(frames) == 4
    assert paid == [1.0, 1.0, -1.0, -1.0]


def test_a_childs_verdict_adds_its_own() -> None:
    group = [episode(1, 1.0, (None, 1.0)), episode(2, 0.0, (None, 0.0))]
    _, paid = taught([group], replace(ALONE, child=0.5))
    assert paid == [1.0, 1.25, -1.0, -1.25]


def test_a_group_of_equal_rewards_is_left_out() -> None:
    equal = [episode(1, 0.4), episode(2, 0.4)]
    frames, _ = taught([equal, [episode(3, 1.0), episode(4, 0.0)]], ALONE)
    assert next(frame.ids.tolist() for frame in frames) == tiny.frame(30).ids.tolist()
    assert len(frames) == 4


def test_of_a_group_of_equal_rewards_a_child_that_judged_better_still_teaches() -> None:
    group = [episode(1, 0.4, (None, 1.0)), episode(2, 0.4, (None, 0.0))]
    frames, paid = taught([group], replace(ALONE, child=1.0))
    assert [frame.frame for frame in frames] == [1, 1]
    assert paid == [0.5, -0.5]


def test_what_was_paid_above_its_group_becomes_likelier_and_the_rest_less_likely() -> None:
    learner = tiny.learner(rate=1e-3)
    good, bad = likelihood(learner, 10), likelihood(learner, 20)
    for _ in range(5):
        learn(learner, [tiny.frame(10), tiny.frame(20)], [1.0, -1.0], ALONE, None, ())
    assert likelihood(learner, 10) > good
    assert likelihood(learner, 20) < bad


def test_the_first_update_neither_clips_nor_diverges() -> None:
    learner = tiny.learner()
    plan = replace(ALONE, divergence=0.1)
    figures = learn(learner, [tiny.frame(10), tiny.frame(20)], [1.0, -1.0], plan, tiny.network(), ())
    assert figures["clipped"] == 0.0
    assert figures["kl"] == 0.0
    assert figures["loss"] == pytest.approx(0.0)


def test_the_divergence_pulls_back_to_the_reference() -> None:
    """With nothing to gain, only the pull is left: the policy comes nearer."""
    learner = tiny.learner(seed=1, rate=3e-3, steps=100)
    plan = replace(ALONE, divergence=1.0)
    tiny_gain = [1e-9, 1e-9]
    told = [
        learn(learner, [tiny.frame(1), tiny.frame(2)], tiny_gain, plan, tiny.network(7), ())["kl"] for _ in range(8)
    ]
    assert told[-1] < told[0]


def test_a_second_update_is_measured_against_the_policy_that_sampled() -> None:
    learner = tiny.learner(rate=0.05)
    figures = learn(learner, [tiny.frame(10), tiny.frame(20)], [1.0, -1.0], replace(ALONE, updates=4), None, ())
    assert figures["clipped"] > 0.0
    assert learner.updates == 4


def test_where_nothing_was_taught_nothing_changes() -> None:
    learner = tiny.learner()
    figures = learn(learner, [], [], PLAN, None, tiny.shard(1))
    assert learner.updates == 0
    assert figures["tokens"] == 0
    assert torch.equal(learner.network.model.norm.weight, tiny.network().model.norm.weight)


def test_lessons_mixed_in_make_the_oracles_moves_likelier() -> None:
    learner = tiny.learner(rate=1e-3)
    before = likelihood(learner, 1000)
    for _ in range(5):
        learn(learner, [tiny.frame(10)], [1e-9], replace(ALONE, lessons=1.0), None, [tiny.frame(1000)])
    assert likelihood(learner, 1000) > before


def test_a_step_tells_rewards_lengths_and_what_was_learned() -> None:
    learner = tiny.learner()
    figures = next(grpo_steps(learner, Players(learner.network), PLAN, Progress(), tiny.network(5), tiny.shard))
    assert {"reward", "reward_rank", "equal_groups", "verdicts_right", "turns", "frames"} <= figures.keys()
    assert {"loss", "entropy", "kl", "clipped", "sft_loss", "tokens_per_s", "rollout_seconds"} <= figures.keys()


def test_the_deviation_told_is_that_within_groups() -> None:
    figures = told([[episode(1, 1.0), episode(2, 0.0)], [episode(3, 9.0), episode(4, 9.0)]])
    assert figures["reward"] == pytest.approx(4.75)
    assert figures["reward_deviation"] == pytest.approx(0.25)
    assert figures["equal_groups"] == pytest.approx(0.5)
