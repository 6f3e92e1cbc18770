"""Faults, really injected. The closed list of `service.domain.fault.Fault`; each kind in one or more ways."""

import contextlib
import random
import signal
import sys
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field, model_validator

from deploy.testbed.conductor import USUAL_VERSION, Conductor
from deploy.testbed.load import Surge
from deploy.testbed.program.trouble import Ailment, Kind
from deploy.testbed.proxy import Weather
from service.domain.fault import Fault

VERSIONS = ("1.4.3", "1.4.4", "1.5.0", "1.5.1", "2.0.0")
"""What is deployed next, well or ill."""
TIGHT_MS = 5
"""A latency that no entry can promise."""
BURN = "while True: pass"
LOOP_S = 3.0
"""How long a replica lives in a crash loop once it answers."""


class Injection(BaseModel):
    """One fault as a plan tells it. ``on`` is a service or store, one replica (``catalog-1``), an edge
    (``orders->payment``), a node, or, for overload, a journey; ``how`` tells ways of the same kind apart.

    What ``amount`` counts is told where each way is made: milliseconds, threads, connections, times. While a
    ``rolling`` deploy lasts, one replica of the new version runs beside the old ones.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Fault
    how: str = ""
    on: str
    amount: float = Field(default=0, ge=0)
    share: float = Field(default=1, gt=0, le=1)
    operation: str = ""
    text: str = ""
    callee: str = ""
    announced: bool = True
    rolling: bool = False

    @model_validator(mode="after")
    def _known(self) -> "Injection":
        if (self.kind, self.how) not in WAYS:
            ways = ", ".join(f"{kind}/{how}" for kind, how in WAYS if kind == self.kind) or "none"
            raise ValueError(f"{self.kind}/{self.how} is no way to break anything; ways of {self.kind}: {ways}")
        if self.rolling and self.kind is not Fault.DEPLOY:
            raise ValueError(f"{self.kind} cannot be rolling: only a deploy can")
        return self


class Active(Protocol):
    """A fault that can be begun, kept up at every tick, and ended."""

    @abstractmethod
    def begin(self, conductor: Conductor) -> None:
        """Breaks something."""

    def tick(self, conductor: Conductor) -> None:
        """Keeps it broken; most faults go on by themselves."""

    @abstractmethod
    def end(self, conductor: Conductor) -> None:
        """Mends it."""


@dataclass(slots=True)
class _Base(Active):
    told: Injection


def pods_of(conductor: Conductor, on: str) -> tuple[str, ...]:
    """The pods that a fault hits: those of a service, or the one in the place that is named."""
    return tuple(name for name, replica in conductor.replicas.items() if on in (replica.pod.service, replica.place))


def service_of(conductor: Conductor, on: str) -> str:
    """The service of what a fault hits."""
    return next((replica.pod.service for replica in conductor.replicas.values() if on == replica.place), on)


@dataclass(slots=True)
class _Ailing(_Base):
    """Faults made inside a process."""

    def begin(self, conductor: Conductor) -> None:
        told = self.told
        ailment = ailment_of(told)
        if told.kind is Fault.CONFIG and told.announced:
            conductor.announce(service_of(conductor, told.on), "config", _CONFIG_SUMMARY[told.how](told))
        pods = pods_of(conductor, told.on)
        for pod in pods[:1] if ailment.kind == "lock-row" else pods:
            conductor.ail(pod, ailment)

    def end(self, conductor: Conductor) -> None:
        for pod in pods_of(conductor, self.told.on):
            conductor.ail(pod, Ailment())


_CONFIG_SUMMARY: Mapping[str, Callable[[Injection], str]] = {
    "timeout": lambda told: f"http.client.timeout of {told.callee or 'all callees'} set to {told.amount:.0f} ms",
    "pool": lambda told: f"db.pool.size set to {told.amount:.0f}",
}

INSIDE: Mapping[tuple[Fault, str], Kind] = {
    (Fault.CPU, "burn"): "cpu",
    (Fault.MEMORY, "leak"): "memory",
    (Fault.DISK, "fsync"): "disk",
    (Fault.SLOW, "handler"): "slow",
    (Fault.ERROR, "exception"): "error",
    (Fault.WRONG_RESULT, "early"): "wrong-result",
    (Fault.WRONG_RESULT, "field"): "wrong-result",
    (Fault.LOCK, "rows"): "lock-row",
    (Fault.LOCK, "pool"): "lock-pool",
    (Fault.CONFIG, "timeout"): "timeout",
    (Fault.CONFIG, "pool"): "pool-size",
    (Fault.DEPLOY, "slow"): "slow",
    (Fault.DEPLOY, "exception"): "error",
    (Fault.DEPLOY, "wrong"): "wrong-result",
    (Fault.DEPLOY, "repeat"): "repeat",
    (Fault.DEPLOY, "burn"): "cpu",
}
"""What the process of a service does for each way."""


def ailment_of(told: Injection) -> Ailment:
    """What the processes of a service suffer under that fault."""
    return Ailment(
        kind=INSIDE[told.kind, told.how],
        operation=told.operation,
        share=told.share,
        amount=told.amount,
        text=told.text,
        callee=told.callee,
        early=told.how != "field",
    )


@dataclass(slots=True)
class _Neighbour(_Base):
    """Processes that are nobody's business burn the node's core: ``amount`` of them."""

    def begin(self, conductor: Conductor) -> None:
        cpu = next(r.cpu for r in conductor.replicas.values() if r.pod.node == self.told.on)
        for number in range(int(self.told.amount) or 2):
            conductor.processes.start(f"neighbour-{number}", (sys.executable, "-c", BURN), cpu=cpu)

    def end(self, conductor: Conductor) -> None:
        for name in [name for name in conductor.processes.running if name.startswith("neighbour-")]:
            conductor.processes.stop(name, at_once=True)


@dataclass(slots=True)
class _Network(_Base):
    """Bad weather on all ways to a service, to one replica, or on one edge: ``amount`` ms, or ``share`` lost."""

    def begin(self, conductor: Conductor) -> None:
        told = self.told
        weather = (
            Weather(delay_ms=told.amount, jitter_ms=told.amount / 10)
            if told.kind is Fault.NETWORK_DELAY
            else Weather(stalls=told.share, resets=told.share / 10)
        )
        conductor.set_weather(dict.fromkeys(self._ways(conductor), weather))

    def end(self, conductor: Conductor) -> None:
        conductor.set_weather(dict.fromkeys(self._ways(conductor), Weather()))

    def _ways(self, conductor: Conductor) -> list[str]:
        caller, _, callee = self.told.on.rpartition("->")
        named = ((way.name, *way.name.split(">")) for way in conductor.ways)
        return [
            name
            for name, source, place in named
            if callee in (place, place.rpartition("-")[0]) and caller in ("", source)
        ]


@dataclass(slots=True)
class _Stopped(_Base):
    """A store's processes are stopped by a signal (``stopped``), or get only every fourth slice (``starved``)."""

    _turn: int = 0

    def begin(self, conductor: Conductor) -> None:
        conductor.processes.running[self.told.on].signal(signal.SIGSTOP)

    def tick(self, conductor: Conductor) -> None:
        if self.told.how == "starved":
            self._turn += 1
            number = signal.SIGCONT if self._turn % 4 == 0 else signal.SIGSTOP
            conductor.processes.running[self.told.on].signal(number)

    def end(self, conductor: Conductor) -> None:
        conductor.processes.running[self.told.on].signal(signal.SIGCONT)


@dataclass(slots=True)
class Release(Active):
    """Another version of a service, announced; it behaves unless it has an ailment. Ended by going back.

    Replicas are replaced by it, one after the other; or, ``rolling``, one replica of it runs beside the old ones, as in
    the midst of a release that goes replica by replica.
    """

    service: str
    rolling: bool = False
    ailment: Ailment = field(default_factory=Ailment)
    _added: str = ""

    def begin(self, conductor: Conductor) -> None:
        """Announces and starts it."""
        pods = pods_of(conductor, self.service)
        before = conductor.replicas[pods[0]].version
        version = random.choice([version for version in VERSIONS if version != before])
        conductor.announce(self.service, "deploy", f"{self.service} {before} -> {version}")
        if self.rolling:
            self._added = conductor.add(self.service, version, self.ailment)
            return
        for pod in pods:
            conductor.replace(pod, version, self.ailment)

    def end(self, conductor: Conductor) -> None:
        """Takes it back."""
        if self._added:
            conductor.remove(self._added)
        for pod in () if self.rolling else pods_of(conductor, self.service):
            conductor.replace(pod, USUAL_VERSION, Ailment())


def _released(injection: Injection) -> Release:
    return Release(injection.on, injection.rolling, ailment_of(injection))


class FalseAlarm:
    """Nothing is broken: somebody has set the alert's threshold far too tight."""

    def begin(self, conductor: Conductor) -> None:
        """Sets it."""
        conductor.set_objective(TIGHT_MS)

    def tick(self, conductor: Conductor) -> None:
        """It stays."""

    def end(self, conductor: Conductor) -> None:
        """Sets it right."""
        conductor.set_objective(conductor.shop.latency_alert_ms)


@dataclass(slots=True)
class _CrashLoop(_Base):
    """Replicas are killed as soon as they have answered for a while; the platform starts them again."""

    _answering_since: dict[str, float] = field(default_factory=dict[str, float])

    def begin(self, conductor: Conductor) -> None:
        for pod in pods_of(conductor, self.told.on):
            conductor.processes.running[pod].signal(signal.SIGKILL)

    def tick(self, conductor: Conductor) -> None:
        for pod in pods_of(conductor, self.told.on):
            if not conductor.ready(pod):
                self._answering_since.pop(pod, None)
            elif time.monotonic() - self._answering_since.setdefault(pod, time.monotonic()) > LOOP_S:
                conductor.processes.running[pod].signal(signal.SIGKILL)

    def end(self, conductor: Conductor) -> None:
        """The platform brings them back."""


@dataclass(slots=True)
class _Surging(_Base):
    """One journey is begun ``amount`` times as often."""

    def begin(self, conductor: Conductor) -> None:
        conductor.set_surge(Surge(journey=self.told.on, times=max(1, self.told.amount)))

    def end(self, conductor: Conductor) -> None:
        conductor.set_surge(Surge())


WAYS: Mapping[tuple[Fault, str], Callable[[Injection], Active]] = {
    **{way: _released if way[0] is Fault.DEPLOY else _Ailing for way in INSIDE},
    (Fault.CPU, "neighbour"): _Neighbour,
    (Fault.NETWORK_DELAY, ""): _Network,
    (Fault.NETWORK_LOSS, ""): _Network,
    (Fault.DEPENDENCY, "stopped"): _Stopped,
    (Fault.DEPENDENCY, "starved"): _Stopped,
    (Fault.CRASH, ""): _CrashLoop,
    (Fault.OVERLOAD, ""): _Surging,
}
"""Every way to break something: the closed list without "unknown"."""


def cause_of(conductor: Conductor, told: Injection) -> dict[str, object]:
    """What truth.json says of an injected fault. Of an overload the entry is the cause: there the surge comes in."""
    way = f"{told.kind}/{told.how}".rstrip("/")
    source = " ".join(filter(None, (way, "rolling" * told.rolling, told.on, told.operation, told.callee, told.text)))
    cause: dict[str, object] = {"kind": "service", "name": service_of(conductor, told.on), "fault": told.kind.value}
    if told.kind is Fault.OVERLOAD:
        cause["name"] = conductor.shop.entry
    elif "->" in told.on:
        cause["kind"] = "edge"
    elif told.on in conductor.shop.nodes:
        cause["kind"] = "node"
    elif cause["name"] != told.on:
        cause["pod"] = pods_of(conductor, told.on)[0]
    return cause | {"fault_source": source}


@contextlib.contextmanager
def injected(conductor: Conductor, active: Sequence[Active]) -> Iterator[None]:
    """Faults are on while the context lasts, and always ended."""
    with contextlib.ExitStack() as stack:
        for fault in active:
            stack.callback(fault.end, conductor)
            fault.begin(conductor)
        yield
