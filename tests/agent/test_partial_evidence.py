"""A server that does not answer costs its signal, and the answer says so; it never costs the answer."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pyarrow as pa
import pytest

from service.agent.answering import TELEMETRY_SHARE, Bench, answer
from service.agent.budget import Budget
from service.agent.document import localization_document
from service.domain.localization import RankedBy, Stop
from service.domain.window import Window
from service.llm.rules import RulesModel
from service.ports import LOGS, Telemetry
from service.stores.backend import Backend
from service.stores.jaeger import Jaeger
from service.stores.kubernetes.store import Kubernetes
from service.stores.loki import LokiLogs
from service.stores.memory import InMemoryTelemetry
from service.stores.patience import left_s
from service.stores.prometheus import PrometheusMetrics
from tests.contracts.faulty import Behaviour, faulty, hangs, says
from tests.patience import PATIENT_PLAN, patient
from tests.telemetry_rows import incident, small_tables
from tests.waiting import LIMIT_S

DEADLINE_S = 2 * LIMIT_S

WELL = InMemoryTelemetry(small_tables()).telemetry

IN_PLACE_OF: dict[str, tuple[str, Callable[[Backend], Telemetry]]] = {
    "traces": ("Jaeger", lambda backend: replace(WELL, traces=Jaeger(backend, PATIENT_PLAN))),
    "logs": ("Loki", lambda backend: replace(WELL, logs=LokiLogs(backend))),
    "metrics": ("Prometheus", lambda backend: replace(WELL, metrics=PrometheusMetrics(backend))),
    "changes": ("Kubernetes", lambda backend: replace(WELL, changes=Kubernetes(backend))),
}


def bench(telemetry: Telemetry, telemetry_timeout_s: float = LIMIT_S) -> Bench:
    return Bench(telemetry, RulesModel(), RankedBy.FUSED, Budget(), DEADLINE_S, telemetry_timeout_s)


def answered(behave: Behaviour, name: str, put: Callable[[Backend], Telemetry]) -> dict[str, object]:
    total_s = 0.3 if behave is hangs else LIMIT_S

    async def once() -> dict[str, object]:
        async with faulty(behave) as server:
            backend = Backend(name, patient(server.url, total_s=total_s))
            _, outcome = await answer(incident(), bench(put(backend)))
            await backend.aclose()
            return localization_document(outcome, id="l", incident_id="i")

    return asyncio.run(once())


@pytest.mark.parametrize("signal", IN_PLACE_OF)
@pytest.mark.parametrize(
    ("behave", "told"),
    [
        (hangs, "did not answer within 0.3 s"),
        (says(401), "refuses us (401)"),
        (says(200, b"<html>log in"), "answers with a web page"),
    ],
    ids=["hung", "unauthorised", "login"],
)
def test_a_server_that_fails_is_a_line_of_the_answer(signal: str, behave: Behaviour, told: str) -> None:
    name, put = IN_PLACE_OF[signal]
    document = answered(behave, name, put)
    assert (document["status"], document["stop"]) == ("done", "answered")
    assert document["causes"]
    notes = document["notes"]
    assert isinstance(notes, list)
    assert f"{signal}: {name} {told}" in " ".join(str(note) for note in notes)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


class Noting:
    """A log store that notes how much time it has."""

    def __init__(self) -> None:
        self.left_s: list[float] = []

    async def logs(self, window: Window) -> pa.Table:
        self.left_s.append(left_s())
        return LOGS.empty_table()


def test_of_the_deadline_stores_have_a_part_alone() -> None:
    noting = Noting()
    asyncio.run(answer(incident(), bench(replace(WELL, logs=noting), telemetry_timeout_s=2 * DEADLINE_S)))
    assert noting.left_s
    assert max(noting.left_s) < TELEMETRY_SHARE * DEADLINE_S


def test_a_server_that_hangs_leaves_time_for_an_answer_before_the_deadline() -> None:
    async def once() -> Stop:
        async with faulty(hangs) as server:
            backend = Backend("Loki", patient(server.url))
            _, outcome = await answer(incident(), bench(replace(WELL, logs=LokiLogs(backend)), telemetry_timeout_s=0.3))
            await backend.aclose()
            assert outcome.localization.causes
            return outcome.localization.stop

    assert asyncio.run(once()) is Stop.ANSWERED
