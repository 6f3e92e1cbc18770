from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from model_store.simulate.system import System
from model_store.simulate.workload import Floats, Ints, Journey

Bools = npt.NDArray[np.bool_]

ALL_CHILDREN = 1_000
TIMEOUT_US = 2_000_000.0


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

    T requests, K calls. ``arrived_us`` (T,) counts from the period's start, everything else is (T, K): the pod that
    serves, its own time, the wait on either side of it, whether the call is made, whether it fails of itself, after
    how many of its children it returns, whether nobody answers it (the caller waits for ``TIMEOUT_US`` and fails).
    ``tolerated`` says that the caller lives with a failure.
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
    unanswered: Bools
    tolerated: Bools
    lines: list[Line] = field(default_factory=list)

    def served_by(self, service: int, pods: tuple[int, ...], since_us: int) -> Bools:
        """Executions (T, K) of a service by these of its pods that began after that moment."""
        late = (self.arrived_us >= since_us)[:, None]
        return late & (self.services() == service)[None, :] & np.isin(self.pod, pods)

    def services(self) -> Ints:
        """The service of each call (K,)."""
        return np.array([self.system.operations[op].service for op in self.journey.operations])

    def called_by(self, service: int, pods: tuple[int, ...], since_us: int) -> Bools:
        """Calls (T, K) that executions of a service by these of its pods make."""
        serving = self.served_by(service, pods, since_us)
        parents = self.journey.parents
        return np.where(parents >= 0, serving[:, parents], False)


@dataclass(frozen=True, slots=True)
class Timeline:
    """What happened: (T, K) arrays. A call that is made but not served was answered by nobody.

    ``start_us`` and ``duration_us`` are the callee's, ``sent_us`` and ``waited_us`` the caller's side of the call.
    """

    made: Bools
    served: Bools
    failed: Bools
    start_us: Floats
    duration_us: Floats
    sent_us: Floats
    waited_us: Floats


def random_executions(rng: np.random.Generator, system: System, journey: Journey, arrived_us: Ints) -> Executions:
    """Healthy executions of a journey."""
    shape = (len(arrived_us), len(journey.operations))
    operations = [system.operations[op] for op in journey.operations]
    busy = np.exp(rng.normal(0, 0.08, (shape[0], 1)))
    own = np.exp(rng.normal(0, 1, shape) * [op.sigma for op in operations]) * [op.self_us for op in operations]
    pods = [system.pods[op.service] for op in operations]
    return Executions(
        system=system,
        journey=journey,
        arrived_us=arrived_us,
        pod=np.stack([rng.choice(its, shape[0]) for its in pods], axis=1).reshape(shape),
        self_us=own * busy,
        gap_us=np.exp(rng.normal(np.log(300), 0.3, shape)),
        made=rng.random(shape) < journey.follows,
        fails=np.zeros(shape, bool),
        returns_after=np.full(shape, ALL_CHILDREN),
        unanswered=np.zeros(shape, bool),
        tolerated=np.broadcast_to(rng.random(shape[1]) < 0.15, shape),
    )


def play(executions: Executions) -> Timeline:
    """Lets the executions run: failures climb to callers, callers wait for callees, what comes after a failure is
    not called any more.
    """
    made, failed = _outcomes(executions)
    served = made & ~executions.unanswered
    duration, waited = _durations(executions, made, served)
    start, sent = _starts(executions, made, waited)
    return Timeline(made, served, failed, start, duration, sent, waited)


def _outcomes(x: Executions) -> tuple[Bools, Bools]:
    """Which calls are made, and which fail: bottom-up for failures, top-down for what is then left out."""
    journey, made, failed = x.journey, x.made.copy(), x.fails | x.unanswered
    for call in reversed(range(len(journey.operations))):
        going = np.ones(len(made), bool)
        for place, child in enumerate(journey.children(call)):
            made[:, child] &= going & (x.returns_after[:, call] > place)
            going &= ~(made[:, child] & failed[:, child] & ~x.tolerated[:, child])
        failed[:, call] |= ~going
    for call in range(1, len(journey.operations)):
        parent = journey.parents[call]
        made[:, call] &= made[:, parent] & ~x.unanswered[:, parent]
    return made, failed & made


def _durations(x: Executions, made: Bools, served: Bools) -> tuple[Floats, Floats]:
    duration = np.where(served, x.self_us, 0.0)
    waited = np.zeros_like(duration)
    for call in reversed(range(len(x.journey.operations))):
        answered = duration[:, call] + 2 * x.gap_us[:, call]
        waited[:, call] = np.where(x.unanswered[:, call], TIMEOUT_US, answered) * made[:, call]
        if (parent := x.journey.parents[call]) >= 0:
            duration[:, parent] += waited[:, call]
    return duration, waited


def _starts(x: Executions, made: Bools, waited: Floats) -> tuple[Floats, Floats]:
    """Children are called one after another; the caller's own time is spread evenly between them."""
    sent = np.zeros_like(waited)
    start = np.zeros_like(waited)
    sent[:, 0] = x.arrived_us
    start[:, 0] = x.arrived_us
    for call in range(len(x.journey.operations)):
        children = x.journey.children(call)
        pause = x.self_us[:, call] / (len(children) + 1)
        cursor = start[:, call] + pause
        for child in children:
            sent[:, child] = cursor
            start[:, child] = cursor + x.gap_us[:, child]
            cursor = cursor + waited[:, child] + pause * made[:, child]
    return start, sent
