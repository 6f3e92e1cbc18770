"""What is Loki's own; what it has in common with other stores of logs is in `tests.contracts.test_log_stores`."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest

from service.domain.window import Window
from service.errors import BackendError
from service.stores.backend import Backend
from service.stores.loki import FIELDS, LokiLogs
from service.stores.loki_fake import FakeLoki
from service.stores.partial import ANY, notes_of, queries_of
from tests.patience import patient
from tests.telemetry_rows import NOON, at, logs
from tests.virtual_time import run_leaping

RECORDED = Path(__file__).parents[3] / "shared" / "recorded"
HOUR = Window(NOON, at(60))
ROWS = logs({"time": at(1)}, {"time": at(2), "service": "b"})


class Asked:
    """Loki's answers, and what it was asked for them."""

    def __init__(self, fake: FakeLoki) -> None:
        self._answers = httpx.ASGITransport(fake.app())
        self.requests: list[httpx.Request] = []

    def backend(self, tenant: str = "") -> Backend:
        return Backend("Loki", patient("http://loki:3100", tenant=tenant), httpx.MockTransport(self._answer))

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        response = await self._answers.handle_async_request(request)
        return httpx.Response(response.status_code, headers=response.headers, content=await response.aread())

    def queries(self) -> list[str]:
        return [request.url.params["query"] for request in self.requests if "query" in request.url.params]


def saying(answers: dict[str, Any]) -> Backend:
    """A server that answers paths so."""

    def answer(request: httpx.Request) -> httpx.Response:
        told = answers[request.url.path.rpartition("/")[2]]
        return httpx.Response(200, content=told) if isinstance(told, bytes) else httpx.Response(400, text=told)

    return Backend("Loki", patient("http://loki:3100"), httpx.MockTransport(answer))


COUNTED = b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1795335367,"3"]}]}}'


def test_streams_are_found_by_the_first_label_that_names_services() -> None:
    asked = Asked(FakeLoki(ROWS))
    assert asyncio.run(LokiLogs(asked.backend()).logs(HOUR)).num_rows == 2
    assert all('{service_name=~".+"}' in query for query in asked.queries())


def test_a_selector_that_is_set_is_asked_for_and_nothing_is_guessed() -> None:
    asked = Asked(FakeLoki(ROWS))
    assert asyncio.run(LokiLogs(asked.backend(), '{service_name="b"}').logs(HOUR)).column("service").to_pylist() == [
        "b"
    ]
    assert not any(request.url.path.endswith("/labels") for request in asked.requests)


def test_a_label_that_somebody_names_by_its_attribute_is_asked_for_as_loki_writes_it() -> None:
    asked = Asked(FakeLoki(ROWS))
    fields = FIELDS.preferring(service=("k8s.pod.name",))
    asyncio.run(LokiLogs(asked.backend(), fields=fields).logs(HOUR))
    assert "." not in "".join(asked.queries()).replace(".+", "")


def test_the_tenant_goes_into_its_header() -> None:
    asked = Asked(FakeLoki(ROWS))
    asyncio.run(LokiLogs(asked.backend("shop")).logs(HOUR))
    assert {request.headers["X-Scope-OrgID"] for request in asked.requests} == {"shop"}


def many(count: int, minutes: int = 60) -> pa.Table:
    """Lines of trouble, spread over some minutes."""
    step = timedelta(minutes=minutes) / count
    return logs(*({"time": NOON + step * n, "severity": "ERROR", "body": f"no {n}"} for n in range(count)))


def bodies(table: pa.Table) -> set[str]:
    return {str(body) for body in table.column("body").to_pylist()}


def test_a_page_that_never_comes_is_asked_for_in_halves() -> None:
    """What is silent is silent at once here: nobody waits."""
    asked = Asked(FakeLoki(many(900), most_bytes=20_000))
    store = LokiLogs(asked.backend())
    found = run_leaping(store.logs(HOUR))
    assert len(bodies(found)) == 900
    assert notes_of(found) == ()
    limits = [int(request.url.params["limit"]) for request in asked.requests if "limit" in request.url.params]
    assert limits[:2] == [1000, 500]
    assert set(limits[2:]) == {250}, "the size that comes is remembered"


def test_the_usual_limit_of_messages_is_never_met_by_usual_lines() -> None:
    """Two thousand such lines are more than four MiB, and the server never answers."""
    long = many(2500).set_column(5, "body", pa.array(["x" * 2000] * 2500))
    found = asyncio.run(LokiLogs(Asked(FakeLoki(long)).backend()).logs(HOUR))
    assert found.num_rows == 2500


def test_fewer_lines_than_it_gives_are_asked_for_where_it_refuses_more() -> None:
    asked = Asked(FakeLoki(many(700), most_entries=300))
    assert len(bodies(asyncio.run(LokiLogs(asked.backend()).logs(HOUR)))) == 700


@pytest.mark.parametrize("longest_s", [300, 1200, 3000])
def test_a_time_that_is_too_long_for_it_is_asked_for_in_pieces(longest_s: int) -> None:
    asked = Asked(FakeLoki(many(100), longest_s=longest_s))
    found = asyncio.run(LokiLogs(asked.backend()).logs(HOUR))
    assert len(bodies(found)) == 100
    assert notes_of(found) == ()


def test_a_time_of_very_many_pieces_is_looked_at_in_part_and_that_is_said() -> None:
    asked = Asked(FakeLoki(many(100), longest_s=60))
    found = asyncio.run(LokiLogs(asked.backend()).logs(HOUR))
    assert 0 < found.num_rows < 100
    assert any("only the first 24 min looked at" in note for note in notes_of(found))


@pytest.mark.parametrize("busy", [1, 3, 6, 12])
def test_lines_of_trouble_come_before_the_others_where_it_is_too_busy_for_all(busy: int) -> None:
    """Each question is tried three times, and those for trouble twice more."""
    quiet = logs(*({"time": NOON + timedelta(seconds=n), "body": f"took {n} ms"} for n in range(3000)))
    asked = Asked(FakeLoki(pa.concat_tables([many(900), quiet]), busy=busy))
    found = asyncio.run(LokiLogs(asked.backend()).logs(HOUR))
    assert len({body for body in bodies(found) if body.startswith("no ")}) == 900


def test_a_selector_that_would_be_everything_is_refused_in_its_own_words() -> None:
    with pytest.raises(BackendError, match="empty-compatible"):
        asyncio.run(LokiLogs(Asked(FakeLoki(ROWS)).backend(), '{app=~".*"}').logs(HOUR))


def test_what_it_warns_of_is_said() -> None:
    lines = b'{"status":"success","warnings":["an ingester is away"],"data":{"resultType":"streams","result":[]}}'
    backend = saying({"query": COUNTED, "query_range": lines})
    found = asyncio.run(LokiLogs(backend, '{app="a"}').logs(HOUR))
    assert notes_of(found) == ("an ingester is away",)
    assert queries_of(found) == {ANY: '{app="a"}'}


def test_what_answers_is_told_in_one_line() -> None:
    told = asyncio.run(LokiLogs(Asked(FakeLoki(ROWS)).backend()).found())
    assert told == "Loki http://loki:3100: no label that names a service in the last hour"


@pytest.fixture
def recorded() -> Path:
    if not RECORDED.is_dir():
        pytest.skip(f"no recorded answers at {RECORDED}")
    return RECORDED


def test_an_answer_of_a_real_one_is_read(recorded: Path) -> None:
    body = (recorded / "loki_query_range.json").read_bytes()
    found = asyncio.run(LokiLogs(saying({"query": COUNTED, "query_range": body}), "{}").logs(HOUR)).to_pylist()
    assert len(found) == 3
    assert {row["service"] for row in found} == {"pay"}
    assert {row["severity"] for row in found} == {"ERROR"}
    assert {len(row["trace_id"]) for row in found} == {32}
    assert [row["time"] for row in found] == sorted(row["time"] for row in found)


def test_a_refusal_of_a_real_one_is_one_line(recorded: Path) -> None:
    told = (recorded / "loki_bad.txt").read_text()
    with pytest.raises(BackendError, match="parse error at line 1, col 5") as caught:
        asyncio.run(LokiLogs(saying({"query": told, "query_range": told}), "{}").logs(HOUR))
    assert "\n" not in str(caught.value)


def test_labels_of_a_real_one_name_its_services(recorded: Path) -> None:
    labels = (recorded / "loki_labels.json").read_bytes()
    values = b'{"status":"success","data":["pay","cart"]}'
    told = asyncio.run(LokiLogs(saying({"labels": labels, "values": values})).found())
    assert told.endswith("2 services in the last hour, by label service_name")
