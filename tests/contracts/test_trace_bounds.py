"""What an incident costs a trace server is bounded, and much the same however many services there are."""

import asyncio
import functools
from collections.abc import Callable
from datetime import timedelta

import httpx
import pyarrow as pa
import pytest
from starlette.applications import Starlette

from service.domain.window import Window
from service.ports import TraceStore
from service.stores.backend import Backend, Spent
from service.stores.jaeger import Jaeger
from service.stores.jaeger_fake import FakeJaeger
from service.stores.tempo import Tempo
from service.stores.tempo_fake import FakeTempo
from service.stores.trace_sampling import FOCUS, SLICES, slices_of
from tests.patience import PATIENT_PLAN, patient
from tests.telemetry_rows import NOON, spans

WINDOW = Window(NOON, NOON + timedelta(minutes=12))
EVERY = timedelta(seconds=1.5)
SEARCHES = 1 + SLICES + 1 + SLICES
"""For one service and one window: the first, slices, all of it, failed and slow ones."""

Server = Callable[[pa.Table], Starlette]
Store = Callable[[Backend], TraceStore]

SERVERS: dict[str, tuple[Server, Store, int]] = {
    "jaeger": (lambda told: FakeJaeger(told).app(), lambda way: Jaeger(way, PATIENT_PLAN), 1),
    "jaeger 3": (lambda told: FakeJaeger(told, versions=(3,)).app(), lambda way: Jaeger(way, PATIENT_PLAN), 2),
    "tempo": (lambda told: FakeTempo(told).app(), lambda way: Tempo(way, PATIENT_PLAN), 1),
    "old tempo": (lambda told: FakeTempo(told, selects=False).app(), lambda way: Tempo(way, PATIENT_PLAN), 70),
}
"""A server, its adapter, and how many questions it may be asked beside the searches."""


@functools.cache
def busy(services: int) -> pa.Table:
    """Traces that pass through every service, one after the other, in the minutes that are looked at."""
    starts = [slice_.start + EVERY * place for slice_ in slices_of(WINDOW) for place in range(slice_.length // EVERY)]
    return spans(
        *(
            {
                "trace_id": f"{trace + 1:x}",
                "span_id": f"{trace + 1:x}{depth + 1:03x}",
                "parent_span_id": f"{trace + 1:x}{depth:03x}" if depth else "",
                "service": f"s{depth}",
                "start": start + timedelta(microseconds=depth),
                "duration_us": 1000 * (services - depth),
            }
            for trace, start in enumerate(starts)
            for depth in range(services)
        )
    )


def spent(server: str, services: int, *alerting: str) -> Spent:
    serve, build, _ = SERVERS[server]
    way = Backend("Traces", patient("http://traces"), httpx.ASGITransport(serve(busy(services))))
    found = asyncio.run(build(way).spans(WINDOW, alerting))
    assert len(set(found.column("service").to_pylist())) == services
    return way.spent


@pytest.mark.parametrize("server", ["jaeger", "tempo", "old tempo"])
def test_ten_times_the_services_cost_less_than_three_times_as_much(server: str) -> None:
    few, many = spent(server, 20, "s5"), spent(server, 200, "s5")
    assert many.requests < 3 * few.requests
    assert many.bytes < 3 * few.bytes


@pytest.mark.parametrize("server", SERVERS)
def test_an_alerting_service_costs_a_stated_number_of_questions(server: str) -> None:
    assert spent(server, 10, "s5").requests <= SEARCHES + SERVERS[server][2]


def test_a_storm_of_alerts_costs_no_more_than_a_few() -> None:
    assert spent("jaeger", 10, *(f"s{depth}" for depth in range(10))).requests <= FOCUS * SEARCHES + 1
