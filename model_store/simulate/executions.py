from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from model_store.simulate.system import System
from model_store.simulate.workload import Floats, Ints, Journey

Bools = npt.NDArray[np.bool_]

ALL_CHILDREN = 1_000


@dataclass(slots=True)
class Line:
    """A log line that some executions of one call write; ``{}`` in its text becomes a number of its own."""

    call: int
    which: Bools
    severity: str
    text: str


@dataclass(slots=True)
class Executions:
    """All executions of one journey in one period, before time is computed; faults change them in place.

    T requests, K calls. ``arrived_us`` (T,) counts from the period's start. (T, K): the pod that serves, its own time,
    the wait on either side of it, whether the call is made, whether it fails of itself, after how many of its children
    it returns, whether it leaves out what it logs each time, whether nobody answers it (the caller waits until it gives
    up), whether it is refused at once, ``limit_us`` when the caller gives up. (K,): ``tolerated`` says that the caller
    lives with a failure, ``message`` that it only leaves a message.
    """

    system: System
    journey: Journey
    arrived_us: Ints
    pod: Ints
    self_us: Floats
    gap_us: Floats
    made: Bools
    fails: Bools
    returns_after: Ints
    quiet: Bools
    unanswered: Bools
    refused: Bools
    limit_us: Floats
    tolerated: Bools
    message: Bools
    lines: list[Line] = field(default_factory=list)

    def served_by(self, service: int, pods: tuple[int, ...], since_us: int) -> Bools:
        """Executions (T, K) of a service by these of its pods that began after that moment."""
        late = (self.arrived_us >= since_us)[:, None]
        return late & (self.services() == service)[None, :] & np.isin(self.pod, pods)

    def on_pods(self, pods: tuple[int, ...], since_us: int) -> Bools:
        """Executions (T, K) by these pods that began after that moment."""
        return (self.arrived_us >= since_us)[:, None] & np.isin(self.pod, pods)

    def services(self) -> Ints:
        """The service of each call (K,)."""
        return np.array([self.system.operations[op].service for op in self.journey.operations])

    def made_by(self, serving: Bools) -> Bools:
        """Calls (T, K) that these executions make."""
        parents = self.journey.parents
        return np.where(parents >= 0, serving[:, parents], False)


@dataclass(frozen=True, slots=True)
class Timeline:
    """What happened: (T, K) arrays. A call that is made but not served was answered by nobody.

    ``failed`` is the callee's outcome, ``lost`` the caller's view of it: failed, not answered, or too late.
    ``start_us`` and ``duration_us`` are the callee's, ``sent_us`` and ``waited_us`` the caller's side of the call.
    """

    made: Bools
    served: Bools
    failed: Bools
    lost: Bools
    start_us: Floats
    duration_us: Floats
    sent_us: Floats
    waited_us: Floats


def random_executions(rng: np.random.Generator, system: System, journey: Journey, arrived_us: Ints) -> Executions:
    """Healthy executions of a journey."""
    shape = (len(arrived_us), len(journey))
    operations = [system.operations[op] for op in journey.operations]
    busy = np.exp(rng.normal(0, 0.08, (shape[0], 1)))
    own = np.exp(rng.normal(0, 1, shape) * [op.sigma for op in operations]) * [op.self_us for op in operations]
    return Executions(
        system=system,
        journey=journey,
        arrived_us=arrived_us,
        pod=_pods(rng, system, [op.service for op in operations], shape),
        self_us=own * busy,
        gap_us=np.exp(rng.normal(np.log(400), 0.5, shape)),
        made=rng.random(shape) < journey.follows,
        fails=np.zeros(shape, bool),
        returns_after=np.full(shape, ALL_CHILDREN),
        quiet=np.zeros(shape, bool),
        unanswered=np.zeros(shape, bool),
        refused=np.zeros(shape, bool),
        limit_us=np.tile([manner.limit_us for manner in journey.manners], (shape[0], 1)),
        tolerated=np.array([manner.tolerated for manner in journey.manners]),
        message=np.array([manner.message for manner in journey.manners]),
    )


def _pods(rng: np.random.Generator, system: System, services: list[int], shape: tuple[int, int]) -> Ints:
    first = np.array([system.pods[s][0] for s in services])
    replicas = np.array([len(system.pods[s]) for s in services])
    return first + (rng.random(shape) * replicas).astype(np.int64)


def play(x: Executions) -> Timeline:
    """Lets the executions run: failures climb to callers, callers wait for callees until they give up and perhaps ask
    again, what comes after a failure is not called any more.
    """
    made, failed, lost = x.made.copy(), x.fails.copy(), np.zeros_like(x.fails)
    duration, waited = x.self_us.copy(), np.zeros_like(x.self_us)
    for call in reversed(range(len(x.journey))):
        failed[:, call] |= _call_children(x, call, made, lost, duration, waited)
        _answer(x, call, failed, lost, duration, waited)
    for call in range(1, len(x.journey)):
        parent = x.journey.parents[call]
        made[:, call] &= made[:, parent] & ~x.unanswered[:, parent] & ~x.refused[:, parent]
    served = made & ~x.unanswered & ~x.refused
    start, sent = _starts(x, made, duration, waited)
    return Timeline(made, served, failed & served, lost & made, start, duration * served, sent, waited * made)


def _call_children(x: Executions, call: int, made: Bools, lost: Bools, duration: Floats, waited: Floats) -> Bools:
    """Makes the calls of a call, one after another, until one fails that it cannot live with; who failed so."""
    going = np.ones(len(made), bool)
    children = x.journey.children(call)
    again = {int(x.journey.again_of[child]) for child in children}
    place = 0
    for child in children:
        if (first := int(x.journey.again_of[child])) >= 0:
            made[:, child] = made[:, first] & lost[:, first]
        else:
            made[:, child] &= going & (x.returns_after[:, call] > place)
            place += 1
        duration[:, call] += waited[:, child] * made[:, child]
        if child not in again and not x.tolerated[child]:
            going &= ~(made[:, child] & lost[:, child])
    return ~going


def _answer(x: Executions, call: int, failed: Bools, lost: Bools, duration: Floats, waited: Floats) -> None:
    """What the caller sees of a call: how long it waits, and whether it gets what it asked for."""
    limit, gap = x.limit_us[:, call], x.gap_us[:, call]
    if x.message[call]:
        waited[:, call] = 2 * gap
        return
    answered = np.where(x.refused[:, call], 0.0, duration[:, call]) + 2 * gap
    answered = np.where(x.unanswered[:, call], limit, answered)
    lost[:, call] = failed[:, call] | x.unanswered[:, call] | x.refused[:, call] | (answered >= limit)
    waited[:, call] = np.minimum(answered, limit)


def _starts(x: Executions, made: Bools, duration: Floats, waited: Floats) -> tuple[Floats, Floats]:
    """Children are called one after another; the caller's own time is spread evenly between them."""
    sent, start = np.zeros_like(waited), np.zeros_like(waited)
    sent[:, 0] = start[:, 0] = x.arrived_us
    for call in range(len(x.journey)):
        if x.message[call]:
            start[:, call] = _consumed(x, call, start[:, call], duration[:, call], made[:, call])
        children = x.journey.children(call)
        pause = x.self_us[:, call] / (len(children) + 1)
        cursor = start[:, call] + pause
        for child in children:
            sent[:, child] = cursor
            start[:, child] = cursor + x.gap_us[:, child]
            cursor = cursor + waited[:, child] * made[:, child] + pause * made[:, child]
    return start, sent


def _consumed(x: Executions, call: int, arrived: Floats, duration: Floats, made: Bools) -> Floats:
    """When messages are taken up: a pod works on one after another, so that it lags when it is slow."""
    start = arrived.copy()
    for pod in np.unique(x.pod[made, call]):
        its = np.flatnonzero(made & (x.pod[:, call] == pod))
        its = its[np.argsort(arrived[its], kind="stable")]
        done_before = np.cumsum(duration[its]) - duration[its]
        start[its] = np.maximum.accumulate(arrived[its] - done_before) + done_before
    return start
