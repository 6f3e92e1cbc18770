from service.domain.component import Component, ComponentKind, edge, service
from service.domain.graph import ServiceGraph
from service.grader.ranks import rank_of_truth
from service.grader.truth import TrueCause, Truth

GRAPH = ServiceGraph(
    services=("front", "cart", "pay"),
    calls=frozenset({("front", "cart"), ("cart", "pay")}),
    pods={"cart-1": "cart", "pay-1": "pay"},
    hosts={"cart": ("node-a",)},
)
CART = Truth((TrueCause(service("cart")),))
CART_TO_PAY = Truth((TrueCause(edge("cart", "pay")),))


def test_a_pod_counts_as_its_service() -> None:
    assert rank_of_truth([Component(ComponentKind.POD, "cart-1")], CART, GRAPH) == 1


def test_a_true_pod_is_found_by_its_service() -> None:
    truth = Truth((TrueCause(Component(ComponentKind.POD, "cart-1")),))
    assert rank_of_truth([service("pay"), service("cart")], truth, GRAPH) == 2


def test_an_edge_counts_as_its_callee() -> None:
    assert rank_of_truth([edge("front", "cart")], CART, GRAPH) == 1


def test_an_edge_counts_as_its_caller_where_the_truth_is_an_edge_from_it() -> None:
    assert rank_of_truth([edge("cart", "pay")], CART_TO_PAY, GRAPH) == 1
    assert rank_of_truth([service("cart")], CART_TO_PAY, GRAPH) == 1
    assert rank_of_truth([service("pay")], CART_TO_PAY, GRAPH) is None


def test_a_node_keeps_its_own_name() -> None:
    node = Component(ComponentKind.NODE, "node-a")
    assert rank_of_truth([service("cart"), node], Truth((TrueCause(node),)), GRAPH) == 2


def test_pods_of_one_service_take_one_place() -> None:
    answered = [Component(ComponentKind.POD, "pay-1"), service("pay"), edge("cart", "pay"), service("cart")]
    assert rank_of_truth(answered, CART, GRAPH) == 2


def test_one_of_two_true_components_is_enough() -> None:
    truth = Truth((TrueCause(service("pay")), TrueCause(service("cart"))))
    assert rank_of_truth([service("front"), service("cart"), service("pay")], truth, GRAPH) == 2


def test_an_absent_cause_has_no_rank() -> None:
    assert rank_of_truth([service("pay")], CART, GRAPH) is None
    assert rank_of_truth([service("pay")], Truth(()), GRAPH) is None
