from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs torch, which make test installs")

import torch

from model_store.train.checkpoint import Progress, load_weights, progress_at, restore, save, save_weights
from model_store.train.grpo import grpo_steps
from model_store.train.learner import Learner
from model_store.train.network import Llama, Shape
from model_store.train.sft import SftPlan, sft_steps
from service.errors import CallerError
from tests.train import tiny
from tests.train.episodes import PLAN, Players

Run = Callable[[Learner, Progress], Iterator[dict[str, float]]]


def sft(learner: Learner, progress: Progress) -> Iterator[dict[str, float]]:
    """Six steps, two a shard, so that stopping after three stops within one."""
    return sft_steps(learner, tiny.shard, SftPlan(steps=6, step_tokens=120, micro_tokens=60, seed=3), progress)


def grpo(learner: Learner, progress: Progress) -> Iterator[dict[str, float]]:
    return grpo_steps(learner, Players(learner.network), PLAN, progress, tiny.network(5), tiny.shard)


@pytest.mark.parametrize("run", [sft, grpo])
def test_a_run_that_stops_and_goes_on_ends_bit_for_bit_where_it_would_have(run: Run, tmp_path: Path) -> None:
    straight = tiny.learner()
    through = Progress()
    told = [figures["loss"] for figures in run(straight, through)]
    stopped = tiny.learner()
    progress = Progress()
    steps = run(stopped, progress)
    first = [next(steps)["loss"] for _ in range(3)]
    save(tmp_path / "checkpoint.pt", stopped, progress)

    resumed = tiny.learner(seed=9)
    progress = restore(tmp_path / "checkpoint.pt", resumed)
    assert progress.step == 3
    assert first + [figures["loss"] for figures in run(resumed, progress)] == told
    assert progress == through
    expected = straight.network.state_dict()
    assert all(torch.equal(weight, expected[name]) for name, weight in resumed.network.state_dict().items())
    assert str([o.state_dict() for o in straight.optimizers]) == str([o.state_dict() for o in resumed.optimizers])


def test_training_changes_the_weights() -> None:
    learner = tiny.learner()
    list(sft(learner, Progress()))
    before = tiny.network().state_dict()
    assert not any(torch.equal(weight, before[name]) for name, weight in learner.network.state_dict().items())


def test_weights_alone_can_be_kept(tmp_path: Path) -> None:
    save_weights(tmp_path / "best.pt", tiny.network(4).state_dict())
    other = tiny.network(5)
    load_weights(tmp_path / "best.pt", other)
    assert torch.equal(other.model.embed_tokens.weight, tiny.network(4).model.embed_tokens.weight)


def test_where_nothing_was_kept_there_is_no_progress(tmp_path: Path) -> None:
    assert progress_at(tmp_path / "checkpoint.pt") is None


def test_a_damaged_checkpoint_is_refused_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    save(file, tiny.learner(), Progress())
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(CallerError, match="is no checkpoint of ours, or is damaged"):
        restore(file, tiny.learner())


def test_a_checkpoint_of_another_network_is_refused_in_one_line(tmp_path: Path) -> None:
    save_weights(tmp_path / "best.pt", tiny.network().state_dict())
    with pytest.raises(CallerError, match="another shape"):
        load_weights(tmp_path / "best.pt", Llama(Shape(vocabulary=7, hidden=64, layers=2, heads=1)))
