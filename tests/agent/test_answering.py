import asyncio

import pytest

from service.agent.answering import Bench, answer
from service.agent.budget import Budget
from service.domain.localization import RankedBy, Stop
from service.llm.rules import RulesModel
from service.ports import ChatModel
from service.stores.memory import InMemoryTelemetry
from tests.telemetry_rows import incident, small_tables
from tests.waiting import LIMIT_S


def bench(model: ChatModel | None, deadline_s: float) -> Bench:
    telemetry = InMemoryTelemetry(small_tables()).telemetry
    return Bench(telemetry, model, RankedBy.FUSED, Budget(), deadline_s, telemetry_timeout_s=LIMIT_S)


@pytest.mark.parametrize("model", [None, RulesModel()])
def test_a_deadline_that_is_up_before_the_telemetry_is_there_still_gives_an_answer_that_says_so(
    model: ChatModel | None,
) -> None:
    _, outcome = asyncio.run(answer(incident(), bench(model, 1e-9)))
    assert outcome.localization.stop is Stop.OUT_OF_TIME
    assert outcome.localization.ranked_by is RankedBy.STATISTICAL


def test_a_callers_deadline_is_bounded_by_the_benchs_own() -> None:
    _, outcome = asyncio.run(answer(incident(), bench(None, 1e-9), deadline_s=LIMIT_S))
    assert outcome.localization.stop is Stop.OUT_OF_TIME


@pytest.mark.parametrize("model", [None, RulesModel()])
def test_with_time_enough_it_is_answered(model: ChatModel | None) -> None:
    _, outcome = asyncio.run(answer(incident(), bench(model, 600)))
    assert outcome.localization.stop is Stop.ANSWERED
