import numpy as np
import numpy.typing as npt

from model_store.simulate.executions import Executions, play, random_executions
from model_store.simulate.system import Call, System, random_system
from model_store.simulate.workload import Journey

REQUESTS = 4
LIMIT_US = 2_000_000.0


def chain(*again_of: int) -> Executions:
    """The entry calls 1, which calls 2, then the entry calls 3; own times 1000 µs, no gaps. Calls after these are
    second tries of others that the entry makes.
    """
    rng = np.random.default_rng(1)
    system: System = random_system(rng, 4)
    operations = np.array([system.asked[s][0] for s in range(4)])
    operations = np.concatenate([operations, operations[list(again_of)]]).astype(np.int64)
    parents, first = np.array([-1, 0, 1, 0, *(0 for _ in again_of)]), np.array([-1] * 4 + list(again_of))
    calls = len(operations)
    journey = Journey(operations, parents, np.ones(calls), first, (Call(limit_us=LIMIT_US),) * calls)
    made = random_executions(rng, system, journey, np.arange(REQUESTS) * 1_000_000)
    made.self_us[:] = 1000
    made.gap_us[:] = 0
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
    executions.tolerated[2] = True
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
    assert timeline.duration_us[0, 0] >= LIMIT_US
    assert timeline.failed[0, 0]


def test_a_caller_gives_up_and_the_callee_works_on() -> None:
    executions = chain()
    executions.self_us[:, 1] = 3 * LIMIT_US
    timeline = play(executions)
    assert column(timeline.waited_us, 1) == [LIMIT_US] * REQUESTS
    assert (timeline.duration_us[:, 1] > LIMIT_US).all()
    assert timeline.lost[:, 1].all()
    assert not timeline.failed[:, 1].any()
    assert timeline.failed[:, 0].all()


def test_a_refused_call_fails_at_once() -> None:
    executions = chain()
    executions.refused[:, 1] = True
    timeline = play(executions)
    assert column(timeline.waited_us, 1) == [0] * REQUESTS
    assert not timeline.served[:, 1].any()
    assert timeline.failed[:, 0].all()


def test_a_second_try_is_made_only_after_a_failure_and_its_success_counts() -> None:
    executions = chain(1)
    executions.fails[0, 1] = True
    timeline = play(executions)
    assert column(timeline.made, 4) == [True, False, False, False]
    assert not timeline.failed[:, 0].any()
    assert timeline.made[:, 3].all()
    assert timeline.start_us[0, 3] > timeline.start_us[0, 4] > timeline.start_us[0, 1]


def test_a_second_failure_climbs() -> None:
    executions = chain(1)
    executions.fails[0, [1, 4]] = True
    timeline = play(executions)
    assert timeline.failed[0, 0]
    assert not timeline.made[0, 3]


def test_nobody_waits_for_whom_they_left_a_message() -> None:
    executions = chain()
    executions.message[1] = True
    executions.fails[:, 1] = True
    timeline = play(executions)
    assert column(timeline.duration_us, 0) == [2000] * REQUESTS
    assert not timeline.failed[:, 0].any()


def test_a_slow_consumer_takes_up_messages_ever_later() -> None:
    executions = chain()
    executions.message[1] = True
    executions.pod[:, 1] = executions.pod[0, 1]
    executions.self_us[:, 1] = 3_000_000
    lag = play(executions)
    waited = lag.start_us[:, 1] - lag.sent_us[:, 1]
    assert (np.diff(waited) > 0).all()
