import asyncio
import json
from collections.abc import Callable, Mapping

import pyarrow as pa
import pytest

from service.stores.backend import Backend
from service.stores.otlp_json import rows_of
from service.stores.span_rows import span_table
from service.stores.tempo import MOST_SPANS, Tempo
from service.stores.tempo_fake import FakeTempo
from service.stores.tempo_wire import SearchAnswer, TagValues, TraceAnswer, trace_ql
from service.stores.trace_sampling import Asked
from tests.contracts.trace_servers import Listening
from tests.patience import PATIENT_PLAN, patient
from tests.stores.recorded_bodies import recorded_body
from tests.telemetry_rows import WINDOW, at, spans

SEARCH = "/api/search"


def over(fake: FakeTempo) -> tuple[Tempo, Listening]:
    line = Listening(fake.app())
    return Tempo(Backend("Tempo", patient("http://tempo:3200"), line), PATIENT_PLAN), line


Fake = Callable[[pa.Table], FakeTempo]
FAKES: dict[str, Fake] = {
    "selects": FakeTempo,
    "selects no parents": lambda table: FakeTempo(table, selects=False),
    "an old one": lambda table: FakeTempo(table, versions=(1,), selects=False),
    "tells little": lambda table: FakeTempo(table, most_spans=1),
}


def ask(store: Tempo, *alerting: str) -> pa.Table:
    return asyncio.run(store.spans(WINDOW, alerting))


def one_by_one(line: Listening) -> list[str]:
    return [url.path for url in line.asked if "/traces/" in url.path]


def trace(count: int, trace_id: str = "1") -> list[Mapping[str, object]]:
    """A root and its children."""
    root = {"span_id": "f0", "trace_id": trace_id, "service": "web", "pod": "web-0", "node": "n1", "kind": "server"}
    child = {"parent_span_id": "f0", "trace_id": trace_id, "service": "cart", "kind": "client", "status": "error"}
    return [
        {**root, "start": at(1)},
        *({**child, "span_id": f"e{n}", "start": at(1 + n / 1e4)} for n in range(count - 1)),
    ]


def told(table: pa.Table) -> list[dict[str, object]]:
    """Rows as a server has them: with whole ids."""
    widths = {"trace_id": 32, "span_id": 16, "parent_span_id": 16}
    wide = [
        {**row, **{name: row[name].rjust(n, "0") for name, n in widths.items() if row[name]}}
        for row in table.to_pylist()
    ]
    return wide


@pytest.mark.parametrize("fake", FAKES)
@pytest.mark.parametrize("alerting", ["nobody", "web"])
def test_whatever_a_tempo_can_the_rows_are_the_same(fake: str, alerting: str) -> None:
    table = spans(*trace(3))
    store, _ = over(FAKES[fake](table))
    assert ask(store, alerting).to_pylist() == told(table)


def test_one_search_tells_whole_traces() -> None:
    store, line = over(FakeTempo(spans(*trace(3))))
    ask(store)
    assert [url.path for url in line.asked] == [SEARCH]


def test_a_trace_that_is_too_large_for_a_search_is_asked_for() -> None:
    store, line = over(FakeTempo(spans(*trace(MOST_SPANS + 1), *trace(2, "2"))))
    assert ask(store).num_rows == MOST_SPANS + 3
    assert one_by_one(line) == ["/api/v2/traces/00000000000000000000000000000001"]


def test_searches_do_not_tell_traces_that_are_mostly_too_large_for_them() -> None:
    store, line = over(FakeTempo(spans(*trace(MOST_SPANS + 1))))
    ask(store)
    line.asked.clear()
    ask(store)
    assert [asked["spss"] for asked in line.of(SEARCH)] == ["1"]


def test_a_tempo_that_does_not_select_is_not_asked_to_again() -> None:
    store, line = over(FakeTempo(spans(*trace(3)), selects=False))
    ask(store)
    line.asked.clear()
    ask(store)
    assert [("select" in asked["q"]) for asked in line.of(SEARCH)] == [False]


def test_a_trace_that_is_gone_when_it_is_asked_for_costs_itself_alone() -> None:
    fake = FakeTempo(spans(*trace(3)), selects=False, versions=())
    assert ask(over(fake)[0]).num_rows == 0


def test_alerting_services_are_asked_for_as_far_as_they_are_known() -> None:
    store, line = over(FakeTempo(spans(*trace(3))))
    ask(store, "Cart", "nobody")
    assert 'resource.service.name = "cart"' in line.of(SEARCH)[0]["q"]
    assert len(line.of(SEARCH)) == 1


def test_where_none_is_known_any_trace_will_do() -> None:
    store, line = over(FakeTempo(spans(*trace(3))))
    ask(store, "nobody")
    assert line.of(SEARCH)[0]["q"].startswith("{ } |")


def test_times_are_asked_for_in_whole_seconds_around_the_window() -> None:
    store, line = over(FakeTempo(spans(*trace(3))))
    ask(store)
    asked = line.of(SEARCH)[0]
    assert int(asked["start"]) <= WINDOW.start.timestamp()
    assert int(asked["end"]) >= WINDOW.end.timestamp()


def test_a_name_cannot_end_its_own_quotes() -> None:
    name = 'a" || status = ok } | {"\\'
    query = trace_ql(Asked(name, WINDOW, 1, failed=True, at_least_us=5), whole=False)
    quoted = query.removeprefix("{ resource.service.name = ").removesuffix(" && status = error && duration >= 5us }")
    assert json.loads(quoted) == name


def test_what_answers_there_is_told_in_a_line() -> None:
    line = asyncio.run(over(FakeTempo(spans(*trace(3))))[0].found())
    assert line == "Tempo http://tempo:3200: 2 services"


def test_ids_that_a_real_search_shortened_are_whole() -> None:
    found = SearchAnswer.model_validate_json(recorded_body("tempo_search.json")).traces
    assert [len(each.id) for each in found] == [31, 31, 31]
    assert found[0].trace_id == "06553dccffdaeeb1a7dd3f847a946a73"


def test_a_real_search_and_a_real_trace_tell_the_same_span() -> None:
    found = SearchAnswer.model_validate_json(recorded_body("tempo_search.json")).traces[0].rows()[0]
    whole = span_table(rows_of(TraceAnswer.model_validate_json(recorded_body("tempo_trace_v2.json")).sent)).to_pylist()
    same = next(row for row in whole if row["span_id"] == found.span_id)
    assert (found.trace_id, found.service, found.status, found.duration_us) == (
        same["trace_id"],
        same["service"].rpartition("/")[2],  # a search tells no namespace
        same["status"],
        same["duration_us"],
    )


def test_services_as_tempo_really_lists_them() -> None:
    values = TagValues.model_validate_json(recorded_body("tempo_tagvalues.json")).values
    assert {each.value for each in values} == {"pay", "email", "frontend", "cart", "checkout"}
