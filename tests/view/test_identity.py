"""One name for one service across signals: a test for every row of the table in docs/telemetry.md."""

import asyncio

import pyarrow as pa

from service.domain.component import service
from service.domain.evidence import EvidenceKind
from service.evidence.tables import Compared, Tables
from service.stores.case_tables import CaseTables
from service.stores.memory import InMemoryTelemetry
from service.view.identity import about_named, in_namespaces
from service.view.opening import open_view
from service.view.topology import build_graph
from service.view.versions import with_versions
from tests.agent.scene import finding
from tests.telemetry_rows import NOON, Row, at, incident, logs, metrics, spans
from tests.waiting import LIMIT_S


def services(table: pa.Table) -> list[str]:
    return [str(name) for name in table.column("service").to_pylist()]


def tables(traced: tuple[Row, ...] = (), counted: tuple[Row, ...] = (), written: tuple[Row, ...] = ()) -> Tables:
    return Tables(NOON, Compared(spans(*traced)), Compared(logs(*written)), Compared(metrics(*counted)))


def test_a_namespace_in_front_of_a_name_goes_where_it_tells_nothing_apart() -> None:
    seen, namespaces = in_namespaces(
        tables(
            ({"service": "shop/orders"}, {"service": "web", "trace_id": "u", "span_id": "2"}),
            ({"service": "shop/orders", "component": "shop/orders", "kind": "service"},
             {"component": "shop/orders->shop/pay", "kind": "edge", "service": "shop/orders"}),
            ({"service": "orders"},),
        )
    )  # fmt: skip
    assert build_graph(seen).services == ("orders", "web", "pay")
    assert build_graph(seen).calls == {("orders", "pay")}
    assert namespaces == {"orders": "shop"}


def test_one_name_in_two_namespaces_stays_two_and_pods_say_whose_a_record_is() -> None:
    traced = ({"service": "shop/api", "pod": "api-1"}, {"service": "back/api", "pod": "api-2"})
    counted = ({"service": "api", "component": "api-2"}, {"service": "shop/api", "component": "api-1"})
    seen, namespaces = in_namespaces(tables(traced, counted, ({"service": "api", "pod": "api-1"},)))
    assert set(build_graph(seen).services) == {"shop/api", "back/api"}
    assert seen.metrics is not None
    assert services(seen.metrics.now) == ["back/api", "shop/api"]
    assert seen.logs is not None
    assert services(seen.logs.now) == ["shop/api"]
    assert namespaces == {"shop/api": "shop", "back/api": "back"}


def test_signals_may_mean_other_things_by_a_namespace() -> None:
    seen, namespaces = in_namespaces(tables(({"service": "webshop/api"},), ({"service": "shop/api"},)))
    assert build_graph(seen).services == ("api",)
    assert namespaces == {"api": "webshop"}


def test_names_with_slashes_of_another_kind_stay() -> None:
    names = ("https://queue.example.com/orders", "Updater/prod_Stage", "a/b/c")
    seen, _ = in_namespaces(tables(tuple({"service": name} for name in names)))
    assert build_graph(seen).services == names


def test_a_recorded_name_is_believed_as_it_stands() -> None:
    recorded = CaseTables(spans=spans({"service": "shop/a", "start": at(1)}))
    view = asyncio.run(open_view(incident(), InMemoryTelemetry(recorded).telemetry, LIMIT_S))
    assert view.graph.services == ("shop/a",)
    assert view.incident.alerting_services == ("shop/a",)


def shop(time: float, *called: str, callees: dict[str, str] | None = None, name: str = "GET /x") -> list[Row]:
    """Requests that web makes of each, and each of its callee."""
    rows: list[Row] = []
    for owner in called:
        trace = {"trace_id": f"{time}{owner}", "start": at(time)}
        rows.append({**trace, "service": "web", "span_id": "1", "operation": "GET /"})
        rows.append({**trace, "service": owner, "span_id": "2", "parent_span_id": "1", "operation": name})
        callee = (callees or {}).get(owner, "db")
        rows.append({**trace, "service": callee, "span_id": "3", "parent_span_id": "2", "operation": "SELECT"})
    return rows


def folded(before: list[Row], now: list[Row]) -> set[str]:
    seen, _ = with_versions(Tables(NOON, Compared(spans(*now), spans(*before))))
    return set(build_graph(seen).services) - {"web", "db"}


def test_a_rollout_is_a_change_of_instances_of_one_service() -> None:
    seen, notes = with_versions(Tables(NOON, Compared(spans(*shop(2, "pay-v2")), spans(*shop(-20, "pay-v1")))))
    graph = build_graph(seen)
    assert set(graph.services) == {"web", "pay", "db"}
    assert graph.pods == {"pay-v1": "pay", "pay-v2": "pay"}
    assert sorted(notes) == [f"pay-v{n} is looked at as instances of pay" for n in (1, 2)]


def test_a_canary_is_an_instance() -> None:
    assert folded(shop(-20, "pay"), shop(2, "pay", "pay-canary")) == {"pay"}
    assert folded(shop(-20, "pay-v1"), shop(2, "pay-v1", "pay-v2")) == {"pay"}


def test_versions_that_are_there_all_the_time_and_call_others_are_two() -> None:
    callees = {"pay-v2": "ledger"}
    both = ("pay-v1", "pay-v2")
    assert folded(shop(-20, *both, callees=callees), shop(2, *both, callees=callees)) == {*both, "ledger"}


def test_a_version_alone_in_the_name_proves_nothing() -> None:
    assert folded(shop(-20, "pay-v1"), shop(2, "pay-v1") + shop(2, "pay-v2", name="PUT /y")) == {"pay-v1", "pay-v2"}


def test_a_new_name_for_the_same_is_the_same_service() -> None:
    assert folded(shop(-20, "checkout"), shop(2, "basket")) == {"basket"}


def test_what_goes_and_what_comes_for_something_else_are_two() -> None:
    assert folded(shop(-20, "checkout"), shop(2, "basket", name="POST /other")) == {"checkout", "basket"}
    assert folded(shop(-20, "checkout"), shop(2, "checkout", "basket")) == {"checkout", "basket"}
    assert folded(shop(-20, "checkout"), shop(2, "basket", "cart")) == {"checkout", "basket", "cart"}


def test_what_nobody_named_is_nobody_to_blame() -> None:
    rows = [finding(EvidenceKind.LATENCY, service(name), "op", 9.0) for name in ("unknown_service:java", "orders")]
    kept = about_named(rows, build_graph(tables(({"service": "orders"}, {"service": "unknown_service:java"}))))
    assert [(row.id, row.component.name) for row in kept] == [("e0", "orders")]
