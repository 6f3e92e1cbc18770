from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs torch, which make test installs")

import torch

from model_store.train.checkpoint import Progress
from model_store.train.filling import PoolPlan, fill_with_simulated
from model_store.train.learner import Decay, Learner, Schedule
from model_store.train.lessons import LessonPlan, OracleLessons
from model_store.train.network import Llama, Shape
from model_store.train.sequences import Sequence
from model_store.train.sft import SftPlan, sft_steps
from service.errors import CallerError
from tests.train.playing import words

POOL = PoolPlan(seed=3, count=3, services=5, largest=8, fewest_traces=30, most_traces=40, healthy=0.0, shard=3)


@pytest.fixture(scope="module")
def lessons(tmp_path_factory: pytest.TempPathFactory) -> OracleLessons:
    pool = fill_with_simulated(tmp_path_factory.mktemp("pool") / "pool", POOL)
    return OracleLessons(pool, LessonPlan(incidents=3, temperature=1.0, seed=4), words())


def learner() -> Learner:
    torch.set_num_threads(1)
    network = Llama(Shape(words().size, hidden=64, layers=2, heads=1, intermediate=128))
    network.initialize(torch.Generator().manual_seed(1))
    return Learner(network, Schedule(peak=5e-3, warmup=3, steps=60, floor=0.2), Decay(0.9, 0.95, 0.0, 1.0))


def test_a_shard_of_lessons_is_the_same_every_time_and_the_next_one_another(lessons: OracleLessons) -> None:
    def ids(number: int) -> list[list[int]]:
        return [frame.ids.tolist() for frame in lessons(number)]

    assert ids(0) == ids(0) != ids(1)
    assert all(len(frame.ids) < 2048 for frame in lessons(0))


def test_one_lesson_is_learned_by_heart(lessons: OracleLessons) -> None:
    frame = lessons(0)[0]

    def only(number: int) -> list[Sequence]:
        return [frame]

    plan = SftPlan(steps=60, step_tokens=1, micro_tokens=1024, seed=1)
    told = list(sft_steps(learner(), only, plan, Progress()))
    assert told[-1]["right"] == 1.0
    assert told[-1]["loss"] < 0.05 < told[0]["loss"]


def test_a_page_that_is_learned_too_is_foretold_ever_better(lessons: OracleLessons) -> None:
    def pages(page: float) -> list[float]:
        plan = SftPlan(steps=8, step_tokens=2048, micro_tokens=1024, seed=1, page=page)
        return [figures["page_loss"] for figures in sft_steps(learner(), lessons, plan, Progress())]

    assert set(pages(0.0)) == {0.0}
    told = pages(0.5)
    assert 0 < told[-1] < told[0]


def test_a_pool_without_incidents_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(CallerError, match="shard 0 of the oracle's lessons is empty"):
        next(sft_steps(learner(), lambda number: [], SftPlan(1, 1, 1, 1), Progress()))
