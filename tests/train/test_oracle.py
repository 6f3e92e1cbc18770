import re
from functools import cache

import pytest

pytest.importorskip("torch", reason="training needs torch, which make test installs")

from model_store.train.filling import PoolPlan, simulated
from model_store.train.incidents import PooledIncident
from model_store.train.lessons import demonstrated, worth_teaching
from model_store.train.oracle import OracleModel
from model_store.train.player import BUDGET
from model_store.train.sequences import sequences_of
from model_store.train.suspicion import speaking
from service.agent.transcript_json import to_dict
from service.domain.component import Component, ComponentKind, service
from service.domain.fault import Fault
from service.domain.move import Investigate, PrintResults
from service.grader.grade import grade
from service.grader.truth import TrueCause, Truth
from service.llm.alias_text import read
from service.ports import ChatRequest
from tests.train.playing import grammar, play, words

SMALL = PoolPlan(seed=9, count=12, services=6, largest=12, fewest_traces=40, most_traces=60, healthy=0.0)


@cache
def incidents() -> tuple[PooledIncident, ...]:
    return tuple(simulated(SMALL, number) for number in range(SMALL.count))


def oracle(incident: PooledIncident, seed: int = 0, temperature: float = 0.0) -> OracleModel:
    return OracleModel(incident.truth, incident.view, seed, temperature)


def cited(request: ChatRequest) -> set[str]:
    """Rows that verdicts of children named."""
    return {row for verdict in read(request.messages).verdicts.values() for row in verdict.rows}


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_it_proves_nobody_guilty_without_a_row_that_its_page_showed(temperature: float) -> None:
    for incident in incidents():
        outcome, heard = play(incident.view, oracle(incident, 3, temperature))
        for request, reply in heard.turns:
            assert set(re.findall(r"\be\d+\b", reply.call_arguments)) <= read(request.messages).rows.keys() | cited(
                request
            )
        for frame in outcome.transcript.frames[1:]:
            if frame.verdict is not None and frame.verdict.guilty:
                assert frame.verdict.rows
                assert set(frame.verdict.rows) <= frame.shown()


def test_a_true_component_comes_first_only_where_a_row_or_a_verdict_speaks_against_it() -> None:
    for incident in incidents():
        _, heard = play(incident.view, oracle(incident))
        request, reply = heard.turns[-1]
        assert reply.call_name == "print_results"
        reading = read(request.messages)
        first = reply.call_arguments.partition('"component": "')[2].partition('"')[0]
        if first in oracle(incident)._true:  # pyright: ignore[reportPrivateUsage]
            verdict = reading.verdicts.get(first)
            assert speaking(reading, first) or (verdict is not None and verdict.guilty)


def test_without_temperature_chance_plays_no_part() -> None:
    for incident in incidents()[:4]:
        first, second = (play(incident.view, oracle(incident, seed))[0] for seed in (1, 2))
        assert to_dict(first.transcript) == to_dict(second.transcript)


def test_with_temperature_the_seed_decides() -> None:
    ways = [[to_dict(play(i.view, oracle(i, seed, 1.0))[0].transcript) for i in incidents()] for seed in (1, 1, 2)]
    assert ways[0] == ways[1]
    assert ways[0] != ways[2]


def test_where_nothing_was_wrong_it_proves_nothing_about_anybody() -> None:
    for incident in incidents()[:4]:
        outcome = play(incident.view, OracleModel(Truth(()), incident.view))[0]
        answer = outcome.transcript.frames[0].steps[-1].move
        assert isinstance(answer, PrintResults)
        assert [(c.fault, c.rows) for c in answer.causes] == [(Fault.UNKNOWN, ())]
        assert grade(outcome.localization, Truth(()), incident.view.graph).false_cause is False


def test_a_true_component_that_no_telemetry_knows_is_nobody_that_it_could_name() -> None:
    incident = incidents()[0]
    unseen = Truth((TrueCause(service("nowhere"), Fault.CRASH),))
    for temperature in (0.0, 1.0):
        outcome = play(incident.view, OracleModel(unseen, incident.view, 1, temperature))[0]
        assert grade(outcome.localization, unseen, incident.view.graph).rank is None


def test_most_of_what_it_plays_is_worth_teaching_and_the_grammar_lets_it_pass() -> None:
    taught = [(i, demonstrated(i, 5, 1.0)) for i in incidents()]
    assert sum(worth_teaching(outcome, incident) for incident, outcome in taught) * 2 > len(taught)
    for _, outcome in taught:
        for frame in outcome.transcript.frames:
            assert len(frame.steps) <= 8
            assert not any(step.forced for step in frame.steps)
        for frame in sequences_of(outcome.transcript, words(), grammar(), BUDGET):
            assert frame.own.sum() == len(frame.allowed) > 0


def test_it_looks_into_somebody() -> None:
    moves = [step.move for i in incidents() for step in play(i.view, oracle(i))[0].transcript.steps()]
    assert any(isinstance(move, Investigate) for move in moves)


def test_of_a_true_component_that_nobody_ever_saw_it_has_nothing_to_say() -> None:
    incident = incidents()[0]
    unseen = Truth((TrueCause(Component(ComponentKind.SERVICE, "never-seen"), Fault.SLOW),))
    outcome, heard = play(incident.view, OracleModel(unseen, incident.view, 0, 0.0))
    assert heard.turns[-1][1].call_name == "print_results"
    assert not any(f.verdict is not None and f.verdict.guilty for f in outcome.transcript.frames)
