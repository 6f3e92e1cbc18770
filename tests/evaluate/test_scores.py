from itertools import pairwise, permutations
from math import isclose
from statistics import mean

from hypothesis import given
from hypothesis import strategies as st

from model_store.evaluate.scores import Scores, of_rank, of_suspicions
from service.domain.component import service
from service.domain.graph import ServiceGraph
from service.grader.ranks import rank_of_truth
from service.grader.truth import TrueCause, Truth

NAMES = ("a", "b", "c", "d")
GRAPH = ServiceGraph(services=NAMES)


def truth(*names: str) -> Truth:
    return Truth(tuple(TrueCause(service(name)) for name in names))


def test_a_rank_is_worth_what_the_measures_say() -> None:
    assert of_rank(2) == Scores(0.0, 1.0, 1.0, 0.5)
    assert of_rank(None) == Scores(0.0, 0.0, 0.0, 0.0)


def test_what_is_not_named_is_not_answered() -> None:
    assert of_suspicions({service("a"): 1.0}, truth("b"), GRAPH) == of_rank(None)


def test_equal_suspicion_is_worth_a_guess() -> None:
    scores = of_suspicions(dict.fromkeys(map(service, NAMES), 0.0), truth("c"), GRAPH)
    assert isclose(scores.at_1, 1 / 4)
    assert isclose(scores.at_3, 3 / 4)
    assert isclose(scores.reciprocal, (1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)


@given(
    st.dictionaries(st.sampled_from(NAMES), st.integers(0, 2), min_size=1),
    st.sets(st.sampled_from(NAMES), min_size=1, max_size=3),
)
def test_the_expectation_over_ties_is_the_mean_over_all_orders(suspicions: dict[str, int], true: set[str]) -> None:
    right = truth(*sorted(true))
    orders = [
        order for order in permutations(suspicions) if all(suspicions[x] >= suspicions[y] for x, y in pairwise(order))
    ]
    each = [of_rank(rank_of_truth(map(service, order), right, GRAPH)).values() for order in orders]
    expected = of_suspicions({service(n): float(s) for n, s in suspicions.items()}, right, GRAPH).values()
    assert all(isclose(a, mean(b), abs_tol=1e-9) for a, b in zip(expected, zip(*each, strict=True), strict=True))
