"""Callees that write no spans: which are there, and which are services that telemetry knows."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from service.agent.localize import localize
from service.domain.alert import Alert
from service.domain.component import service
from service.domain.fault import Fault
from service.domain.localization import Localization, RankedBy
from service.evidence.tables import Compared, Tables
from service.stores.case_tables import CaseTables
from service.stores.memory import InMemoryTelemetry
from service.view.callees import MOST, with_callees
from service.view.opening import open_view
from service.view.topology import build_graph
from tests.telemetry_rows import BASELINE, NOON, WINDOW, Row, incident, spans

NOBODY = ("", "")


def span(
    number: int, service: str, parent: int = 0, kind: str = "server", peer: str = "", role: str = "", **more: str
) -> Row:
    return {
        "span_id": f"s{number}", "parent_span_id": f"s{parent}" if parent else "", "service": service, "kind": kind,
        "peer": peer, "peer_role": role, "start": NOON + timedelta(milliseconds=number), **more,
    }  # fmt: skip


def seen(*rows: Row) -> Tables:
    return with_callees(Tables(alerted_at=NOON, spans=Compared(spans(*rows))))


def peers(tables: Tables) -> list[tuple[str, str]]:
    assert tables.spans is not None
    return [(row["peer"], row["peer_role"]) for row in tables.spans.now.to_pylist()]


def test_a_database_that_only_clients_know_is_called_and_has_a_role() -> None:
    graph = build_graph(seen(span(1, "pay"), span(2, "pay", 1, "client", "ledger-db", "database")))
    assert graph.services == ("pay", "ledger-db")
    assert graph.calls == {("pay", "ledger-db")}
    assert graph.roles == {"ledger-db": "database"}


@pytest.mark.parametrize("host", ["orders", "Orders", "orders.shop"])
def test_the_host_of_a_service_with_spans_is_that_service(host: str) -> None:
    tables = seen(span(1, "web"), span(2, "web", 1, "client", host, "external"), span(3, "orders"))
    assert peers(tables)[1] == ("orders", "")
    assert build_graph(tables).services == ("web", "orders")
    assert build_graph(tables).calls == {("web", "orders")}


def test_who_answers_calls_to_a_host_is_who_is_meant_by_it() -> None:
    answered = (span(2, "web", 1, "client", "orders-svc", "external"), span(3, "orders", 2))
    tables = seen(span(1, "web"), *answered, span(4, "web", 1, "client", "orders-svc", "external"))
    assert peers(tables)[3] == ("orders", "")
    assert build_graph(tables).services == ("web", "orders")


def test_a_gateway_before_many_is_none_of_them() -> None:
    calls = [span(n, "web", 1, "client", "gateway", "external") for n in (2, 4, 6, 8)]
    tables = seen(span(1, "web"), *calls, span(3, "orders", 2), span(5, "cart", 4), span(7, "mail", 6))
    assert set(peers(tables)) == {NOBODY}
    assert build_graph(tables).services == ("web", "orders", "cart", "mail")


def test_a_service_is_no_callee_of_itself() -> None:
    assert peers(seen(span(1, "web"), span(2, "web", 1, "client", "web", "external"))) == [NOBODY, NOBODY]


def test_those_that_are_called_least_stand_together_and_stay_so() -> None:
    often = [span(n, "web", 0, "client", f"api{n // 2}.example", "external") for n in range(2, 2 * MOST + 2)]
    seldom = [span(n, "web", 0, "client", f"rare{n}.example", "external") for n in range(1000, 1100)]
    tables = seen(*often, *seldom, span(2000, "web", 0, "client", "ledger", "database"))
    named = set(peers(tables))
    assert len(named) == MOST + 2
    assert {("other external", "external"), ("other database", "database")} < named
    assert peers(with_callees(tables)) == peers(tables)


QUEUE = {"peer": "kafka:orders", "role": "queue"}


@pytest.mark.parametrize("linked", [False, True])
def test_a_message_goes_from_who_sends_it_through_the_queue_to_who_reads_it(linked: bool) -> None:
    way = {"trace_id": "u", "linked_trace_id": "t", "linked_span_id": "s2"} if linked else {"parent_span_id": "s2"}
    tables = seen(
        span(1, "shop"), span(2, "shop", 1, "producer", **QUEUE), {**span(3, "ship", kind="consumer"), **way},
    )  # fmt: skip
    graph = build_graph(tables)
    assert graph.calls == {("shop", "kafka:orders"), ("kafka:orders", "ship")}
    assert graph.path(("shop",), "ship") == ("shop", "kafka:orders", "ship")


def test_a_link_beside_a_parent_is_followed_too() -> None:
    link = {"linked_trace_id": "t", "linked_span_id": "s2"}
    poll = {**span(3, "ship", kind="consumer"), "trace_id": "u"}
    process = {**span(4, "ship", 3, "consumer"), "trace_id": "u", **link}
    graph = build_graph(seen(span(1, "shop"), span(2, "shop", 1, "producer", **QUEUE), poll, process))
    assert ("kafka:orders", "ship") in graph.calls


def test_without_a_queues_name_a_linked_message_is_a_call() -> None:
    link = {"trace_id": "u", "linked_trace_id": "t", "linked_span_id": "s2"}
    graph = build_graph(seen(span(1, "shop"), span(2, "shop", 1, "producer"), {**span(3, "ship"), **link}))
    assert graph.calls == {("shop", "ship")}


def test_a_consumer_that_names_its_queue_reads_from_it_though_nothing_is_linked() -> None:
    tables = seen(span(1, "shop", 0, "producer", **QUEUE), span(2, "ship", 0, "consumer", **QUEUE))
    assert build_graph(tables).calls == {("shop", "kafka:orders"), ("kafka:orders", "ship")}


def test_a_link_to_no_call_is_none() -> None:
    link = {"trace_id": "u", "linked_trace_id": "t", "linked_span_id": "s1"}
    assert build_graph(seen(span(1, "shop"), {**span(3, "ship"), **link})).calls == frozenset()


def test_tables_without_any_callee_stay_what_they_are() -> None:
    tables = Tables(alerted_at=NOON, spans=Compared(spans(span(1, "web")), None))
    assert with_callees(tables) is tables


# What is at fault, of a shop in which `web` calls `pay` and `mail`, and both speak to others without spans.


def request(rng: np.random.Generator, at_s: float, number: int, slow: str, failing: str, bad: bool) -> list[Row]:
    rows: list[Row] = []
    start = NOON + timedelta(seconds=at_s)

    def ms(usual: float, name: str) -> float:
        return usual * rng.uniform(0.8, 1.3) + (400 * rng.uniform(0.8, 1.2) if bad and slow == name else 0)

    def add(
        own: int,
        parent: int,
        owner: str,
        name: str,
        kind: str,
        begin: float,
        lasts: float,
        peer: str = "",
        role: str = "",
    ) -> None:
        failed = bad and failing == peer and peer != "" and rng.random() < 0.6
        rows.append({
            "trace_id": f"t{number}", "span_id": f"{number}-{own}",
            "parent_span_id": f"{number}-{parent}" if parent else "",
            "service": owner, "operation": name, "kind": kind, "peer": peer, "peer_role": role,
            "start": start + timedelta(milliseconds=begin), "duration_us": round(lasts * 1000),
            "status": "error" if failed else "unset",
        })  # fmt: skip

    ledger, cache, api = ms(6, "ledger-db"), ms(2, "sessions"), ms(20, "api.mail.example")
    pay, mail = ms(10, "pay") + ledger + cache, ms(8, "mail") + api
    add(1, 0, "web", "GET /", "server", 0, 10 + pay + mail)
    add(2, 1, "web", "POST", "client", 2, pay + 1)
    add(3, 2, "pay", "POST /pay", "server", 2.5, pay)
    add(4, 3, "pay", "SELECT", "client", 4, ledger, "ledger-db", "database")
    add(5, 4, "pay", "connect", "internal", 4, ledger * 0.9)
    add(6, 3, "pay", "GET", "client", 5 + ledger, cache, "sessions", "cache")
    add(7, 1, "web", "POST", "client", 5 + pay, mail + 1)
    add(8, 7, "mail", "POST /mail", "server", 5.5 + pay, mail)
    add(9, 8, "mail", "POST", "client", 7 + pay, api, "api.mail.example", "external")
    return rows


def judged(slow: str = "", failing: str = "") -> Localization:
    rng = np.random.default_rng(5)
    rows: list[Row] = []
    begin = (BASELINE.start - NOON).total_seconds()
    times = [*np.arange(begin, begin + 1500, 6.0), *np.arange(0, 700, 4.0)]
    for number, at_s in enumerate(times):
        rows += request(rng, float(at_s), number, slow, failing, bad=bool(at_s > 240))
    told = incident(alerts=(Alert(fingerprint="f", starts_at=NOON + timedelta(minutes=6), labels={"service": "web"}),))
    telemetry = InMemoryTelemetry(CaseTables(spans=spans(*rows))).telemetry

    async def once() -> Localization:
        view = await open_view(replace(told, window=WINDOW), telemetry, timeout_s=60)
        return (await localize(view, None, rank=RankedBy.STATISTICAL)).localization

    return asyncio.run(once())


@pytest.mark.parametrize("callee", ["ledger-db", "sessions", "api.mail.example"])
def test_a_slow_callee_without_spans_is_the_cause_and_not_its_callers_own_code(callee: str) -> None:
    answer = judged(slow=callee)
    first = answer.causes[0]
    assert (first.component, first.fault) == (service(callee), Fault.DEPENDENCY)
    assert first.path == ("web", "mail" if "mail" in callee else "pay", callee)
    assert all("own code" not in cause.reason for cause in answer.causes)


def test_a_failing_callee_without_spans_is_the_cause() -> None:
    first = judged(failing="ledger-db").causes[0]
    assert (first.component, first.fault) == (service("ledger-db"), Fault.ERROR)


def test_slow_code_beside_fast_callees_is_its_own() -> None:
    first = judged(slow="pay").causes[0]
    assert (first.component, first.fault) == (service("pay"), Fault.SLOW)


def test_the_table_of_a_saved_view_is_the_same_again() -> None:
    table = spans(span(1, "web"), span(2, "web", 1, "client", "Orders", "external"), span(3, "orders"))
    once = with_callees(Tables(alerted_at=NOON, spans=Compared(table, pa.Table.from_batches([], table.schema))))
    again = with_callees(once)
    assert once.spans is not None
    assert again.spans is not None
    assert again.spans.now.equals(once.spans.now)
