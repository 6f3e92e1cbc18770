# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# The types of torch and tokenizers are partly unknown.
import math

import pytest

pytest.importorskip("torch", reason="training needs torch, which make test installs")

import torch

from model_store.train.advantages import advantages, among_like, clipped_loss, clipped_share


def test_an_advantage_is_the_reward_less_the_groups_mean_in_its_deviations() -> None:
    better = advantages([1.0, 0.0, 0.0, 1.0])
    assert better is not None
    assert better.tolist() == [1.0, -1.0, -1.0, 1.0]


def test_an_advantage_can_be_left_in_the_rewards_own_unit() -> None:
    better = advantages([0.2, 0.4, 0.9], by_deviation=False)
    assert better is not None
    assert better.tolist() == pytest.approx([-0.3, -0.1, 0.4])


@pytest.mark.parametrize("rewards", [[], [0.7], [0.5, 0.5, 0.5]])
def test_a_group_whose_rewards_are_all_equal_teaches_nothing(rewards: list[float]) -> None:
    assert advantages(rewards) is None


def test_verdicts_are_compared_with_those_about_the_same_component() -> None:
    better = among_like([None, 1.0, 0.0, 1.0, 0.0], ["root", "a", "a", "b", "a"])
    assert better.tolist() == pytest.approx([0.0, 2 / 3, -1 / 3, 0.0, -1 / 3])


def test_the_loss_is_the_negative_advantage_times_the_ratio() -> None:
    now, before = torch.tensor([math.log(0.55)]), torch.tensor([math.log(0.5)])
    assert clipped_loss(now, before, torch.tensor([2.0]), 0.2, 0.2).item() == pytest.approx(-2.2)


def test_what_has_become_much_likelier_already_pays_no_more() -> None:
    now = torch.tensor([math.log(0.9)], requires_grad=True)
    loss = clipped_loss(now, torch.tensor([math.log(0.5)]), torch.tensor([1.0]), 0.2, 0.3)
    assert loss.item() == pytest.approx(-1.3)
    loss.sum().backward()
    assert now.grad is not None
    assert now.grad.item() == 0.0


def test_what_was_bad_and_has_become_likelier_is_still_taken_back() -> None:
    now = torch.tensor([math.log(0.9)], requires_grad=True)
    loss = clipped_loss(now, torch.tensor([math.log(0.5)]), torch.tensor([-1.0]), 0.2, 0.2)
    assert loss.item() == pytest.approx(1.8)
    loss.sum().backward()
    assert now.grad is not None
    assert now.grad.item() == pytest.approx(1.8)


def test_the_clipped_share_counts_what_is_learned_no_further() -> None:
    ratios = torch.tensor([1.5, 0.5, 1.5, 0.5, 1.0]).log()
    better = torch.tensor([1.0, 1.0, -1.0, -1.0, 1.0])
    assert clipped_share(ratios, torch.zeros(5), better, 0.2, 0.2) == pytest.approx(2 / 5)


def test_before_the_first_update_the_gradient_is_that_of_the_log_probability() -> None:
    now = torch.tensor([-0.7, -1.2], requires_grad=True)
    clipped_loss(now, now.detach(), torch.tensor([0.5, -2.0]), 0.2, 0.2).sum().backward()
    assert now.grad is not None
    assert now.grad.tolist() == pytest.approx([-0.5, 2.0])
