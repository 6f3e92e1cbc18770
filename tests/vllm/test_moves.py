"""vLLM and the embedded engine read the same directory and make the same moves."""

import time
from pathlib import Path

import pytest

from service.agent.localize import Outcome
from service.domain.localization import Stop
from service.llm.completions import CompletionsModel
from service.llm.embedded.engine import EmbeddedModel
from service.settings import ModelSettings
from service.wiring.models import build_model
from tests.vllm.conftest import Tell
from tests.vllm.incidents import INCIDENTS, PATIENCE_S, answers, played, requests_of, view_of
from tests.vllm.serving import Served

pytestmark = pytest.mark.timeout(60 * 60)


@pytest.fixture(scope="module")
def embedded(directory: Path) -> EmbeddedModel:
    model = build_model(ModelSettings(name=str(directory)))
    assert isinstance(model, EmbeddedModel)
    return model


@pytest.fixture(scope="module")
def served(directory: Path, vllm: Served) -> CompletionsModel:
    model = build_model(ModelSettings(name=str(directory), base_url=vllm.url, timeout_s=PATIENCE_S))
    assert isinstance(model, CompletionsModel)
    return model


@pytest.mark.parametrize("incident", INCIDENTS)
def test_a_recorded_incident_is_localized_move_by_move_as_by_the_embedded_engine(
    incident: str, embedded: EmbeddedModel, served: CompletionsModel, vllm: Served, tell: Tell
):
    view_of(incident)
    hits, asked = vllm.counter("vllm:prefix_cache_hits"), vllm.counter("vllm:prefix_cache_queries")
    started = time.perf_counter()
    ours = played(incident, embedded)
    between = time.perf_counter()
    theirs = played(incident, served)
    ended = time.perf_counter()
    hits, asked = vllm.counter("vllm:prefix_cache_hits") - hits, vllm.counter("vllm:prefix_cache_queries") - asked
    same = sum(one == other for one, other in zip(written(ours), written(theirs), strict=False))
    tell(
        f"{incident}: {same} of {len(written(ours))} moves are equal; embedded {between - started:.2f} s, "
        f"vLLM {ended - between:.2f} s; {hits:.0f} of {asked:.0f} prompt tokens hit vLLM's prefix cache"
    )
    assert theirs.localization.stop in (Stop.ANSWERED, Stop.OUT_OF_TURNS)
    assert written(theirs) == written(ours)
    assert theirs.transcript.frames == ours.transcript.frames
    assert theirs.localization.causes == ours.localization.causes
    assert hits > 0


def test_wherever_chance_leads_the_next_move_is_that_of_the_embedded_engine(
    embedded: EmbeddedModel, served: CompletionsModel, vllm: Served, tell: Tell
):
    requests = [request for incident in INCIDENTS for request in requests_of(incident, seed=2)]
    ours, theirs = answers(embedded, requests), answers(served, requests)
    same = sum(one == other for one, other in zip(ours, theirs, strict=True))
    tell(f"chance: {same} of {len(ours)} moves are equal; vLLM took {vllm.start_s:.0f} s to start")
    assert theirs == ours


def written(outcome: Outcome) -> list[tuple[int, ...]]:
    """The ids of all moves, frame by frame."""
    return [step.token_ids for frame in outcome.transcript.frames for step in frame.steps]
