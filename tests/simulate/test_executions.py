import numpy as np
import numpy.typing as npt

from model_store.simulate.executions import TIMEOUT_US, Executions, play, random_executions
from model_store.simulate.system import System, random_system
from model_store.simulate.workload import Journey

REQUESTS = 4


def chain() -> Executions:
    """The entry calls 1, which calls 2, then the entry calls 3; own times 1000 µs, no gaps."""
    rng = np.random.default_rng(1)
    system: System = random_system(rng, 4)
    operations = np.array([system.asked[s][0] for s in range(4)])
    journey = Journey(operations, np.array([-1, 0, 1, 0]), np.ones(4))
    made = random_executions(rng, system, journey, np.arange(REQUESTS) * 1_000_000)
    made.self_us[:] = 1000
    made.gap_us[:] = 0
    made.tolerated = np.zeros_like(made.made)
    return made


def column(values: npt.NDArray[np.generic], call: int) -> list[object]:
    return values[:, call].tolist()


def test_callers_wait_for_their_callees() -> None:
    timeline = play(chain())
    assert timeline.duration_us[0].tolist() == [4000, 2000, 1000, 1000]
    assert timeline.made.all()
    assert not timeline.failed.any()


def test_children_are_called_one_after_another_within_their_parent() -> None:
    timeline = play(chain())
    end = timeline.start_us + timeline.duration_us
    assert (timeline.start_us[:, 3] >= end[:, 1]).all()
    assert (end[:, [1, 3]] <= end[:, [0]]).all()
    assert (timeline.start_us[:, 2] >= timeline.start_us[:, 1]).all()


def test_a_gap_is_waited_for_but_nobodys_own_time() -> None:
    executions = chain()
    executions.gap_us[:, 2] = 500
    timeline = play(executions)
    assert column(timeline.duration_us, 2) == [1000] * REQUESTS
    assert column(timeline.waited_us, 2) == [2000] * REQUESTS
    assert column(timeline.duration_us, 0) == [5000] * REQUESTS


def test_a_failure_climbs_to_the_root_and_what_comes_after_is_not_called() -> None:
    executions = chain()
    executions.fails[0, 2] = True
    timeline = play(executions)
    assert timeline.failed[0].tolist() == [True, True, True, False]
    assert timeline.made[0].tolist() == [True, True, True, False]
    assert not timeline.failed[1:].any()


def test_a_tolerated_failure_stays_where_it_is() -> None:
    executions = chain()
    executions.fails[0, 2] = True
    executions.tolerated[:, 2] = True
    timeline = play(executions)
    assert timeline.failed[0].tolist() == [False, False, True, False]
    assert timeline.made.all()


def test_an_early_return_leaves_out_calls_and_fails_nobody() -> None:
    executions = chain()
    executions.returns_after[:, 1] = 0
    timeline = play(executions)
    assert timeline.made[0].tolist() == [True, True, False, True]
    assert not timeline.failed.any()


def test_a_callee_that_does_not_answer_costs_a_timeout_and_calls_nobody() -> None:
    executions = chain()
    executions.unanswered[:, 1] = True
    timeline = play(executions)
    assert timeline.served[0].tolist() == [True, False, False, False]
    assert timeline.duration_us[0, 0] >= TIMEOUT_US
    assert timeline.failed[0, 0]
