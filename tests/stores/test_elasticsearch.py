"""What is Elasticsearch's own; what it has in common with other stores of logs is in the contracts."""

import asyncio

import httpx
import pyarrow as pa
import pytest

from service.domain.window import Window
from service.errors import BackendError
from service.stores.backend import Backend
from service.stores.elasticsearch import ElasticsearchLogs, Index
from service.stores.elasticsearch_fake import FakeElasticsearch
from service.stores.log_fields import ECS
from service.stores.log_sample import LogPlan
from service.stores.partial import notes_of
from tests.patience import patient
from tests.telemetry_rows import NOON, at, logs

HOUR = Window(NOON, at(60))
ROWS = logs({"time": at(1)}, {"time": at(2), "service": "b"})


def ask(fake: FakeElasticsearch, index: Index | None = None, plan: LogPlan | None = None) -> pa.Table:
    backend = Backend("OpenSearch", patient("http://opensearch:9200"), httpx.ASGITransport(fake.app()))
    return asyncio.run(ElasticsearchLogs(backend, index, plan).logs(HOUR))


@pytest.mark.parametrize(
    ("fake", "note"),
    [
        (FakeElasticsearch(ROWS, timed_out=True), "it ran out of time and answered with what it had"),
        (FakeElasticsearch(ROWS, failed_shards=2), "2 of 3 shards failed"),
    ],
)
def test_an_answer_of_a_part_says_so_once(fake: FakeElasticsearch, note: str) -> None:
    assert notes_of(ask(fake)) == (note,)


def test_index_time_and_fields_are_settings() -> None:
    fields = ECS.preferring(service=("team",), body=("text",))
    fake = FakeElasticsearch(ROWS, fields=fields, time="at", index="shop")
    found = ask(fake, Index("shop", time="at", fields=fields))
    assert found.column("service").to_pylist() == ["a", "b"]


def test_only_what_is_ours_is_asked_for() -> None:
    assert ask(FakeElasticsearch(ROWS), Index(only="service.name: b")).column("service").to_pylist() == ["b"]


def test_an_index_that_is_not_there_holds_nothing() -> None:
    assert ask(FakeElasticsearch(ROWS), Index("other-*")).num_rows == 0


def test_nothing_but_the_fields_that_are_read_is_sent() -> None:
    fake = FakeElasticsearch(ROWS)
    ask(fake, Index(fields=ECS))
    page = fake.searches[-1]
    assert page["_source"] is False
    assert [told if isinstance(told, str) else told["field"] for told in page["fields"]] == ["@timestamp", *ECS.every()]


def test_a_larger_page_than_it_gives_is_refused_in_its_own_words() -> None:
    with pytest.raises(BackendError, match="Result window is too large"):
        ask(FakeElasticsearch(ROWS), plan=LogPlan(page=20_000))


@pytest.mark.parametrize("time", ["[]", '["yesterday"]'])
def test_a_record_without_its_time_is_no_record(time: str) -> None:
    counted = '{"hits": {"total": {"value": 1, "relation": "eq"}}, "aggregations": {"loud": {"doc_count": 0}}}'
    lines = f'{{"hits": {{"hits": [{{"fields": {{"@timestamp": {time}}}}}]}}}}'

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text=counted if b'"aggs"' in request.content else lines)

    backend = Backend("Elasticsearch", patient("http://e:9200"), httpx.MockTransport(answer))
    with pytest.raises(BackendError, match="a record without its time"):
        asyncio.run(ElasticsearchLogs(backend).logs(HOUR))
