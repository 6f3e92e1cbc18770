"""An incident is judged the same whether its traces come from its recording or from a server that has them."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pyarrow as pa
import pytest

from service.agent.localize import localize
from service.domain.component import Component
from service.domain.fault import Fault
from service.domain.localization import Localization, RankedBy
from service.domain.window import Window
from service.ports import Telemetry, TraceStore
from service.stores.backend import Backend
from service.stores.jaeger import Jaeger
from service.stores.jaeger_fake import FakeJaeger
from service.stores.recorded import RecordedCase
from service.stores.tempo import Tempo
from service.stores.tempo_fake import FakeTempo
from service.view.opening import open_view
from tests.conftest import REPOSITORY
from tests.patience import PATIENT_PLAN, patient

CASE = REPOSITORY / "tests" / "cases" / "mealrun" / "mealrun-04"
ALWAYS = Window(datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
ALL = replace(PATIENT_PLAN, traces=10_000, spans=1_000_000)

Opened = Callable[[pa.Table], TraceStore]


def way(fake: FakeJaeger | FakeTempo) -> Backend:
    return Backend("Traces", patient("http://traces"), httpx.ASGITransport(fake.app()))


def judged(case: RecordedCase, telemetry: Telemetry) -> Localization:
    async def once() -> Localization:
        view = await open_view(case.incident, telemetry, timeout_s=60)
        return (await localize(view, None, rank=RankedBy.STATISTICAL)).localization

    return asyncio.run(once())


def judged_twice(opened: Opened) -> tuple[Localization, Localization]:
    """From the recording, and with its traces from a server."""
    case = RecordedCase.open(CASE)
    assert case.telemetry.traces is not None
    spans = asyncio.run(case.telemetry.traces.spans(ALWAYS))
    return judged(case, case.telemetry), judged(case, replace(case.telemetry, traces=opened(spans)))


def named(found: Localization) -> list[tuple[Component, Fault]]:
    return [(cause.component, cause.fault) for cause in found.causes]


def test_with_all_traces_of_the_alerting_service_the_answer_is_the_same() -> None:
    recorded, asked = judged_twice(lambda spans: Jaeger(way(FakeJaeger(spans)), ALL))
    assert named(asked) == named(recorded)
    # A trace whose beginning was before the recording does not pass through the service that alerts.
    assert [c.confidence for c in asked.causes] == pytest.approx([c.confidence for c in recorded.causes], abs=1e-4)


SAMPLED: dict[str, Opened] = {
    "jaeger": lambda spans: Jaeger(way(FakeJaeger(spans)), PATIENT_PLAN),
    "tempo": lambda spans: Tempo(way(FakeTempo(spans)), PATIENT_PLAN),
}


@pytest.mark.parametrize("server", SAMPLED)
def test_with_a_sample_of_its_traces_the_first_cause_is_the_same(server: str) -> None:
    recorded, asked = judged_twice(SAMPLED[server])
    assert named(asked)[0] == named(recorded)[0]
