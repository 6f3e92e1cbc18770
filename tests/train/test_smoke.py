"""Every stage of training, tiny, as the command runs it: killed in the middle of each kind of stage, and taken up."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs torch, which make test installs")

import torch

from model_store.train.ablation import COLUMNS, START, WHOLE, ablate, table, variants
from model_store.train.log import EVALUATION, STEP, Record, read
from model_store.train.recipe import GrpoPart, read_recipe
from model_store.train.run import MODELS, Run
from service.agent.localize import localize
from service.agent.models import open_model
from service.domain.localization import RankedBy, Stop
from service.errors import CallerError
from tests.train.playing import view_of

pytestmark = pytest.mark.timeout(900)  # of a busy machine; an idle one needs a tenth
RECIPE = read_recipe("smoke")
STAGES = RECIPE.stage_names


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("smoke")


@pytest.fixture(scope="module")
def straight(place: Path) -> Path:
    """A run that nothing interrupted."""
    Run(RECIPE, place / "straight", place / "pools", 1, lambda line: None).train()
    return place / "straight"


def killed_at(line_begins: str, run: Path, pools: Path) -> None:
    """The command, killed as soon as it says such a line; what it did in the meantime is not known."""
    command = [sys.executable, "-m", "model_store", "train", "smoke", "--run", str(run), "--pools", str(pools)]
    with subprocess.Popen([*command, "--threads", "1"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = list[str]()
        for line in process.stdout:
            said.append(line)
            if line.startswith(line_begins):
                break
        process.send_signal(signal.SIGKILL)
    assert said[-1].startswith(line_begins)


def weights(run: Path, stage: str) -> dict[str, torch.Tensor]:
    return torch.load(run / stage / "checkpoint.pt", weights_only=True)["network"]


def told(run: Path) -> list[Record]:
    """The log without what a clock says."""
    clocks = {"seconds", "rollout_seconds", "tokens_per_s"}
    return [{name: value for name, value in r.items() if name not in clocks} for r in read(run / "log.jsonl")]


def test_the_oracles_lessons_are_learned(straight: Path) -> None:
    steps = [r for r in read(straight / "log.jsonl") if r["stage"] == "sft" and r["kind"] == STEP]
    losses = [loss for r in steps if isinstance(loss := r["loss"], float)]
    assert len(losses) == RECIPE.sft.steps
    first, last = losses[:4], losses[-4:]  # one step's few lessons may be easy or hard
    assert sum(last) < 0.92 * sum(first)


def test_each_stage_leaves_its_log_a_picture_and_an_exam(straight: Path) -> None:
    records = read(straight / "log.jsonl")
    for stage in STAGES:
        assert (straight / f"{stage}.png").is_file()
        exams = [r for r in records if r["stage"] == stage and r["kind"] == EVALUATION]
        assert {"ac@1", "ac@3", "mrr", "reward", "frames", "turns", "malformed", "wrong_form"} <= exams[-1].keys()
        assert exams[-1]["malformed"] == 0


def test_a_run_that_is_killed_and_goes_on_ends_bit_for_bit_where_it_would_have(straight: Path, place: Path) -> None:
    run = place / "killed"
    for line in ("sft 10 ", "exploration 0 of"):
        killed_at(line, run, place / "pools")
    Run(RECIPE, run, place / "pools", 1, lambda line: None).train()
    assert told(run) == told(straight)
    for stage in STAGES:
        expected = weights(straight, stage)
        assert all(torch.equal(weight, expected[name]) for name, weight in weights(run, stage).items())


def test_what_each_stage_left_answers_a_case_in_the_services_engine(straight: Path) -> None:
    for stage in STAGES:
        model = open_model(straight / MODELS / stage)
        outcome = asyncio.run(localize(view_of(1), model, rank=RankedBy.MODEL))
        assert outcome.localization.stop in (Stop.ANSWERED, Stop.OUT_OF_TURNS)
        assert outcome.localization.causes
        assert outcome.transcript.frames[0].steps


def test_a_run_that_is_done_makes_nothing_anew(straight: Path, place: Path) -> None:
    before = (straight / "log.jsonl").read_bytes()
    Run(RECIPE, straight, place / "pools", 1, lambda line: None).train()
    assert (straight / "log.jsonl").read_bytes() == before


def test_a_stage_that_there_is_not_and_another_recipe_are_told_in_one_line(straight: Path, place: Path) -> None:
    run = Run(RECIPE, straight, place / "pools", 1, lambda line: None)
    with pytest.raises(CallerError, match="no stage of recipe smoke; there are sft, format"):
        run.train("ranks")
    other = RECIPE.model_copy(update={"seed": 2})
    with pytest.raises(CallerError, match="seed was 1 when this stage began and is 2 now"):
        Run(other, straight, place / "pools", 1, lambda line: None).train()


def test_a_stages_reward_is_taken_apart_part_by_part(straight: Path, place: Path) -> None:
    """Every variant begins where the stage did; what is left out of the pay is seen by the exam all the same."""
    run = Run(RECIPE, straight, place / "pools", 1, lambda line: None)
    part = RECIPE.stage("rank")
    assert isinstance(part, GrpoPart)
    assert [*variants(part)] == [WHOLE, *(f"without-{name}" for name in part.pay.weights)]
    rows = ablate(run, "rank", 1, 1e-3, lambda line: None)
    assert [row.label for row in rows] == [START, *variants(part)]
    assert {len(row.papers) for row in rows} == {RECIPE.exam.pool.count}
    head, _, *lines = table(rows)
    assert len(lines) == len(rows)
    assert {line.count("|") for line in (head, *lines)} == {5 + len(COLUMNS)}


def test_a_stage_that_pays_nothing_cannot_be_taken_apart(straight: Path, place: Path) -> None:
    run = Run(RECIPE, straight, place / "pools", 1, lambda line: None)
    with pytest.raises(CallerError, match="sft: is no stage of recipe smoke that pays"):
        ablate(run, "sft", 1, None, lambda line: None)
