"""Trace stores that ask a server, over the fakes of their servers: each built from the tables of a case."""

from pathlib import Path

import httpx
import pyarrow as pa
from starlette.applications import Starlette

from service.ports import SPANS, Telemetry
from service.stores.backend import Backend
from service.stores.case_tables import CaseTables
from service.stores.jaeger import Jaeger
from service.stores.jaeger_fake import FakeJaeger
from service.stores.tempo import Tempo
from service.stores.tempo_fake import FakeTempo
from tests.patience import PATIENT_PLAN, patient


class Listening(httpx.AsyncBaseTransport):
    """The way to an application, which keeps what was asked."""

    def __init__(self, app: Starlette) -> None:
        self._way = httpx.ASGITransport(app)
        self.asked: list[httpx.URL] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url)
        return await self._way.handle_async_request(request)

    def of(self, path: str) -> list[dict[str, str]]:
        """The parameters of all questions to a path."""
        return [dict(url.params) for url in self.asked if url.path == path]


def backend(name: str, app: Starlette) -> Backend:
    return Backend(name, patient("http://traces"), httpx.ASGITransport(app))


def jaeger(tables: CaseTables, directory: Path) -> Telemetry:
    return _of_jaeger(FakeJaeger(_spans(tables)))


def jaeger_3(tables: CaseTables, directory: Path) -> Telemetry:
    return _of_jaeger(FakeJaeger(_spans(tables), versions=(3,), dependencies=False))


def victoria_traces(tables: CaseTables, directory: Path) -> Telemetry:
    return _of_jaeger(FakeJaeger(_spans(tables), versions=(1,), text_tags=True))


def tempo(tables: CaseTables, directory: Path) -> Telemetry:
    return Telemetry(traces=Tempo(backend("Tempo", FakeTempo(_spans(tables)).app()), PATIENT_PLAN))


def small_tempo(tables: CaseTables, directory: Path) -> Telemetry:
    """One that tells no more than a span of each trace: each is asked for."""
    fake = FakeTempo(_spans(tables), most_spans=1)
    return Telemetry(traces=Tempo(backend("Tempo", fake.app()), PATIENT_PLAN))


def _of_jaeger(fake: FakeJaeger) -> Telemetry:
    store = Jaeger(backend("Jaeger", fake.app()), PATIENT_PLAN)
    return Telemetry(traces=store, topology=store)


def _spans(tables: CaseTables) -> pa.Table:
    return SPANS.empty_table() if tables.spans is None else tables.spans
