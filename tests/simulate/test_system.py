from collections.abc import Callable

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from model_store.simulate.families import Shape
from model_store.simulate.system import LEAVES, Role, System, random_system
from model_store.simulate.workload import MOST_CALLS, MOST_SECOND_TRIES, random_workload

seeds = st.integers(0, 10_000)
sizes = st.integers(1, 60)


shapes = st.sampled_from(Shape)


def system(seed: int, services: int, shape: Shape = Shape.TREE) -> System:
    return random_system(np.random.default_rng(seed), services, shape)


@settings(deadline=None)
@given(seeds, sizes, shapes)
def test_a_system_has_one_entry_from_which_everything_can_be_reached(seed: int, services: int, shape: Shape) -> None:
    made = system(seed, services, shape)
    reached = {0}
    for caller, callees in enumerate(made.calls):
        assert caller in reached
        reached |= set(callees)
    assert reached == set(range(services))
    assert [s for s, role in enumerate(made.roles) if role is Role.ENTRY] == [0]


@settings(deadline=None)
@given(seeds, sizes, shapes)
def test_databases_and_caches_call_nobody_and_calls_form_no_cycle(seed: int, services: int, shape: Shape) -> None:
    made = system(seed, services, shape)
    assert not any(made.calls[s] for s, role in enumerate(made.roles) if role in LEAVES)
    assert all(callee > caller for caller, callees in enumerate(made.calls) for callee in callees)


@settings(deadline=None)
@given(seeds, sizes)
def test_every_service_has_a_name_of_its_own_pods_and_something_to_be_asked(seed: int, services: int) -> None:
    made = system(seed, services)
    assert len(set(made.names)) == services
    assert len(set(made.pod_names)) == len(made.pod_names) == len(made.pod_service) == len(made.pod_node)
    assert all(made.pods)
    assert all(made.asked)


def test_names_do_not_follow_roles() -> None:
    first = {system(seed, 8).names[0] for seed in range(20)}
    assert len(first) > 10


@settings(deadline=None, max_examples=50)
@given(seeds, st.integers(1, 30))
def test_journeys_begin_at_the_entry_and_follow_calls_of_the_system(seed: int, services: int) -> None:
    rng = np.random.default_rng(seed)
    made = random_system(rng, services)
    workload = random_workload(rng, made)
    for journey in workload.journeys:
        visited = [made.operations[op].service for op in map(int, journey.operations)]
        assert visited[0] == 0
        assert len(visited) <= 2 * MOST_CALLS + MOST_SECOND_TRIES
        for call in range(1, len(visited)):
            parent = int(journey.parents[call])
            assert parent < call
            assert visited[call] in made.calls[visited[parent]]
    assert np.isclose(workload.mix_now.sum(), 1)
    assert not np.allclose(workload.mix_now, workload.mix_before)


def depth(made: System) -> int:
    """Calls on the longest way from the entry."""
    deep = [0] * len(made.names)
    for caller, callees in enumerate(made.calls):
        for callee in callees:
            deep[callee] = max(deep[callee], deep[caller] + 1)
    return max(deep)


def test_shapes_differ_in_what_they_are_called_for() -> None:
    def mean(shape: Shape, measure: Callable[[System], float]) -> float:
        return float(np.mean([measure(system(seed, 24, shape)) for seed in range(10)]))

    def most_calls(made: System) -> float:
        return max(len(callees) for callees in made.calls)

    def messages(made: System) -> float:
        return sum(manner.message for manner in made.manners.values())

    assert mean(Shape.CHAIN, depth) > 1.5 * mean(Shape.TIERS, depth)
    assert mean(Shape.HUB, most_calls) > 1.5 * mean(Shape.TREE, most_calls)
    assert mean(Shape.EVENTS, messages) > 3 * mean(Shape.TREE, messages)
