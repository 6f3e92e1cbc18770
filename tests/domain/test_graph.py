from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.component import Component, ComponentKind, edge, service
from service.domain.graph import ServiceGraph

NAMES = ("shop", "cart", "db", "mail")
GRAPH = ServiceGraph(
    services=NAMES,
    calls=frozenset({("shop", "cart"), ("shop", "mail"), ("cart", "db"), ("db", "cart")}),
    pods={"cart-1": "cart"},
    hosts={"shop": ("n2",), "cart": ("n9", "n2"), "db": ("n1",)},
)


def pod(name: str) -> Component:
    return Component(ComponentKind.POD, name)


def node(name: str) -> Component:
    return Component(ComponentKind.NODE, name)


@st.composite
def graphs(draw: st.DrawFn) -> ServiceGraph:
    services = tuple(f"s{i}" for i in range(draw(st.integers(1, 7))))
    return ServiceGraph(services, draw(st.frozensets(st.tuples(*[st.sampled_from(services)] * 2))))


def test_neighbours_are_in_the_order_of_the_data() -> None:
    assert GRAPH.callees("shop") == ("cart", "mail")
    assert GRAPH.callers("cart") == ("shop", "db")
    assert GRAPH.callees("nobody") == ()


def test_nodes_are_in_the_order_in_which_services_are_told_to_run_on_them() -> None:
    assert GRAPH.nodes() == ("n2", "n9", "n1")
    assert GRAPH.hosted("n2") == ("shop", "cart")


@pytest.mark.parametrize(
    ("component", "owner"),
    [
        (pod("cart-1"), service("cart")),
        (pod("stranger-1"), service("stranger-1")),
        (edge("shop", "cart"), service("cart")),
        (node("n1"), node("n1")),
        (service("db"), service("db")),
    ],
)
def test_a_component_collapses_to_what_is_ranked(component: Component, owner: Component) -> None:
    assert GRAPH.owner(component) == owner


def test_only_what_is_there_is_known() -> None:
    known = [service("db"), pod("cart-1"), node("n9"), edge("cart", "db")]
    unknown = [service("n9"), pod("cart"), node("db"), edge("db", "shop")]
    assert [GRAPH.knows(c) for c in (*known, *unknown)] == [True] * 4 + [False] * 4


@given(graphs(), st.data())
def test_a_path_is_a_shortest_way_along_calls(graph: ServiceGraph, data: st.DataObject) -> None:
    source, target = (data.draw(st.sampled_from(graph.services)) for _ in range(2))
    way = graph.path([source], target)
    if target not in graph.reach([source]):
        assert way == (target,)
        return
    assert (way[0], way[-1], len(set(way))) == (source, target, len(way))
    assert all(call in graph.calls for call in pairwise(way))
    nearer = {source}
    for _ in way[2:]:
        nearer |= {callee for name in nearer for callee in graph.callees(name)}
    assert len(way) <= 2 or target not in nearer


@given(graphs(), st.data())
def test_what_is_reached_is_closed_under_calls(graph: ServiceGraph, data: st.DataObject) -> None:
    sources = data.draw(st.lists(st.sampled_from([*graph.services, "stranger"])))
    reached = graph.reach(sources)
    assert set(sources) - {"stranger"} <= reached <= set(graph.services)
    assert all(callee in reached for name in reached for callee in graph.callees(name))
