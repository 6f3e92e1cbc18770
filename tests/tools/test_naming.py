import pytest

from service.domain.component import Component, ComponentKind, edge, service
from service.domain.graph import ServiceGraph
from service.tools.naming import Naming, aliases, names
from tests.agent.scene import a_view, pod

GRAPH = a_view().graph


def test_aliases_follow_the_order_of_the_data():
    naming = aliases(GRAPH)
    assert [naming.of(service(s)) for s in GRAPH.services] == ["c0", "c1", "c2", "c3", "c4"]
    assert naming.of(pod("cart-0")) == "c2/0"
    assert naming.of(edge("checkout", "cart")) == "c1>c2"
    assert naming.of(Component(ComponentKind.NODE, "host-b")) == "n0"


@pytest.mark.parametrize("naming", [aliases(GRAPH), names(GRAPH)])
def test_every_word_means_the_component_that_it_stands_for(naming: Naming):
    components = [service(s) for s in GRAPH.services] + [pod(p) for p in GRAPH.pods]
    components += [Component(ComponentKind.NODE, n) for n in GRAPH.nodes()] + [edge(a, b) for a, b in GRAPH.calls]
    for component in components:
        assert naming.resolve(naming.of(component)) == component


@pytest.mark.parametrize("written", ["c5", "c1>c3", "cart", "", ">", "c0>", "all"])
def test_an_alias_that_does_not_exist_means_nothing(written: str):
    assert aliases(GRAPH).resolve(written) is None


def test_unknown_aliases_are_answered_with_the_valid_range():
    assert aliases(GRAPH).existing("c9") == "there are c0 to c4 and n0 to n1"


def test_unknown_names_are_answered_with_the_nearest():
    assert names(GRAPH).existing("chekout").startswith('nearest are "checkout"')


def test_names_that_look_alike_once_harmless_stay_apart():
    graph = ServiceGraph(services=("a<b", "a‹b", "all", "x\ny"))
    naming = names(graph)
    words = [naming.of(service(s)) for s in graph.services]
    assert words == ['"a‹b"', '"a‹b~2"', '"all~2"', '"x_y"']
    assert [naming.resolve(word) for word in words] == [service(s) for s in graph.services]
    assert [naming.resolve(word.strip('"')) for word in words] == [service(s) for s in graph.services]


def test_a_component_outside_the_graph_has_a_word_that_resolves_to_nothing():
    naming = aliases(GRAPH)
    assert naming.of(service("stranger")) == "x"
    assert naming.resolve("x") is None
