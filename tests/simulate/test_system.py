import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from model_store.simulate.system import LEAVES, Role, System, random_system
from model_store.simulate.workload import MOST_CALLS, random_workload

seeds = st.integers(0, 10_000)
sizes = st.integers(1, 60)


def system(seed: int, services: int) -> System:
    return random_system(np.random.default_rng(seed), services)


@settings(deadline=None)
@given(seeds, sizes)
def test_a_system_has_one_entry_from_which_everything_can_be_reached(seed: int, services: int) -> None:
    made = system(seed, services)
    reached = {0}
    for caller, callees in enumerate(made.calls):
        assert caller in reached
        reached |= set(callees)
    assert reached == set(range(services))
    assert [s for s, role in enumerate(made.roles) if role is Role.ENTRY] == [0]


@settings(deadline=None)
@given(seeds, sizes)
def test_databases_and_caches_call_nobody_and_calls_form_no_cycle(seed: int, services: int) -> None:
    made = system(seed, services)
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
        assert len(visited) <= MOST_CALLS
        for call in range(1, len(visited)):
            parent = int(journey.parents[call])
            assert parent < call
            assert visited[call] in made.calls[visited[parent]]
    assert np.isclose(workload.mix_now.sum(), 1)
    assert not np.allclose(workload.mix_now, workload.mix_before)
