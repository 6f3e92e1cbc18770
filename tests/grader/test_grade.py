from service.domain.component import edge, service
from service.domain.fault import Fault
from service.domain.graph import ServiceGraph
from service.domain.localization import Cause, Localization, RankedBy, Stop
from service.grader.grade import grade
from service.grader.truth import TrueCause, Truth

GRAPH = ServiceGraph(services=("front", "cart", "pay"), calls=frozenset({("front", "cart")}))
CART_CPU = Truth((TrueCause(service("cart"), Fault.CPU),))


def answer(*causes: Cause, unresolved: bool = False) -> Localization:
    return Localization(
        stop=Stop.ANSWERED, ranked_by=RankedBy.STATISTICAL, unresolved=unresolved, causes=causes, seconds=0.1
    )


def cause(name: str, fault: Fault = Fault.UNKNOWN) -> Cause:
    return Cause(service(name), fault, confidence=0.5, reason="", path=(name,), evidence=())


def test_the_right_service_with_the_right_fault_is_wholly_right() -> None:
    result = grade(answer(cause("cart", Fault.CPU), cause("pay")), CART_CPU, GRAPH)
    assert (result.rank, result.right_at_1, result.fault_right, result.reciprocal_rank) == (1, True, True, 1.0)


def test_the_right_service_with_another_fault_is_right_about_the_service_only() -> None:
    result = grade(answer(cause("pay", Fault.CPU), cause("cart", Fault.MEMORY)), CART_CPU, GRAPH)
    assert (result.rank, result.right_at_1, result.right_at_3, result.fault_right) == (2, False, True, False)


def test_a_true_edge_asks_for_its_own_fault() -> None:
    truth = Truth((TrueCause(edge("front", "cart"), Fault.NETWORK_DELAY),))
    result = grade(answer(cause("front", Fault.NETWORK_DELAY)), truth, GRAPH)
    assert (result.rank, result.fault_right) == (1, True)


def test_an_unknown_true_fault_cannot_be_missed() -> None:
    truth = Truth((TrueCause(service("cart")),))
    assert grade(answer(cause("cart", Fault.CPU)), truth, GRAPH).fault_right is None


def test_a_miss_has_neither_rank_nor_fault() -> None:
    result = grade(answer(cause("pay", Fault.CPU)), CART_CPU, GRAPH)
    assert (result.rank, result.fault_right, result.reciprocal_rank) == (None, None, 0.0)


def test_where_nothing_was_wrong_only_saying_so_is_right() -> None:
    assert grade(answer(cause("cart")), Truth(()), GRAPH).false_cause is True
    assert grade(answer(cause("cart"), unresolved=True), Truth(()), GRAPH).false_cause is False
    assert grade(answer(cause("cart")), CART_CPU, GRAPH).false_cause is None
