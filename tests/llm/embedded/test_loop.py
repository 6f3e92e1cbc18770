"""Whole localizations of recorded incidents: weights drawn by chance move aimlessly, but they never leave the game."""

import asyncio
from functools import cache
from pathlib import Path

import pytest

from model_store.evaluate.permute import permute_case
from model_store.evaluate.run import open_case, renamed
from service.agent.budget import Budget
from service.agent.localize import Outcome, localize
from service.agent.renderer import messages
from service.agent.transcript_json import save
from service.domain.localization import RankedBy, Stop
from service.domain.move import Malformed
from service.llm.embedded.choice import Choice, Sampling
from service.llm.embedded.engine import EmbeddedModel
from service.view.view import View
from tests.conftest import REPOSITORY
from tests.llm.embedded.nets import model

CASES = REPOSITORY / "tests" / "cases"
SEEDS = range(3)


@cache
def view_of(directory: Path) -> View:
    return asyncio.run(open_case(directory)).view


def played(engine: EmbeddedModel, view: View, budget: Budget | None = None) -> Outcome:
    return asyncio.run(localize(view, engine, budget or Budget(), rank=RankedBy.MODEL))


def moving(seed: int) -> Choice:
    """Chance: with a greedy choice such weights make the same move again and again."""
    return Sampling(1.0, seed)


@pytest.fixture(params=["bookshop/bookshop-01", "mealrun/mealrun-03", "ticketbox/ticketbox-05"])
def view(request: pytest.FixtureRequest) -> View:
    return view_of(CASES / str(request.param))


@pytest.mark.parametrize("seed", SEEDS)
def test_no_move_is_ever_malformed_and_there_is_an_answer(view: View, seed: int):
    for choose in (None, moving(seed)):
        outcome = played(model(seed, choose), view)
        assert outcome.localization.stop in (Stop.ANSWERED, Stop.OUT_OF_TURNS)
        assert outcome.localization.causes
        moves = [step.move for frame in outcome.transcript.frames for step in frame.steps]
        assert not [move for move in moves if isinstance(move, Malformed)]


def test_the_same_incident_gives_the_same_transcript_whatever_was_played_before(view: View, tmp_path: Path):
    used = model(1)
    for seed in SEEDS:
        used.choose = moving(seed)
        again, first = played(used, view), played(model(1, moving(seed)), view)
        save(again.transcript, tmp_path / "again.json")
        save(first.transcript, tmp_path / "first.json")
        assert (tmp_path / "again.json").read_bytes() == (tmp_path / "first.json").read_bytes()
        assert again.localization.causes == first.localization.causes


def test_only_a_context_that_is_full_ends_a_frame_without_its_move(view: View):
    played_by_chance = [played(model(seed, moving(seed), context=120), view) for seed in range(8)]
    frames = [frame for outcome in played_by_chance for frame in outcome.transcript.frames]
    malformed = [s for f in frames for s in f.steps if isinstance(s.move, Malformed)]
    assert malformed
    assert all(step.prompt_tokens + step.completion_tokens >= 120 for step in malformed)
    assert all(outcome.localization.causes for outcome in played_by_chance)


@pytest.mark.parametrize("case", ["bookshop/bookshop-02", "mealrun/mealrun-01", "ticketbox/ticketbox-03"])
def test_renaming_every_component_changes_no_word_that_the_model_sees_and_no_cause(case: str, tmp_path: Path):
    fresh = permute_case(CASES / case, tmp_path / "renamed", seed=5)
    assert fresh
    view, other = view_of(CASES / case), asyncio.run(open_case(tmp_path / "renamed")).view
    for seed in SEEDS:
        one, two = played(model(seed, moving(seed)), view), played(model(seed, moving(seed)), other)
        assert _read(one) == _read(two)
        causes = [(renamed(c.component.name, fresh), c.fault, c.confidence) for c in one.localization.causes]
        assert causes == [(c.component.name, c.fault, c.confidence) for c in two.localization.causes]


def _read(outcome: Outcome) -> list[tuple[str, ...]]:
    """All that was said in each frame."""
    transcript = outcome.transcript
    return [
        tuple(message.content or message.call_arguments for message in messages(frame, transcript.rendering))
        for frame in transcript.frames
    ]
