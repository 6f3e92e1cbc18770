"""Starts a whole shop, keeps it running, makes it ill and well again, and stops it."""

import contextlib
import itertools
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psutil

from deploy.testbed import ground
from deploy.testbed.containers import Pod, StoreWatch, pod_name, postgres_watch, redis_watch
from deploy.testbed.errors import StartError
from deploy.testbed.intake import Intake
from deploy.testbed.load import Surge
from deploy.testbed.processes import Process, Processes, answers, wait_until
from deploy.testbed.program.trouble import Ailment
from deploy.testbed.program.wiring import LOOK_S, Wiring
from deploy.testbed.proxy import Way, Weather
from deploy.testbed.topology import Shop, read_shop
from model_store.ports import held_ports

TICK_S = 0.15
BACK_OFF_S = 1.0
"""How long a replica that ended stays down before it is started again."""
MEMORY_LIMIT = 450 * 2**20
"""Bytes above which a replica is killed, as a container platform would."""
START_LIMIT_S = 60.0
USUAL_VERSION = "1.4.2"
SPARE = 1
"""Places of each service that are free, for a version that runs beside another."""


@dataclass(frozen=True, slots=True)
class Change:
    """Something that was done to the shop on purpose, or that the platform did: as in the table of changes."""

    at: datetime
    service: str
    kind: str
    summary: str


@dataclass(slots=True)
class Replica:
    """A pod, the place that it holds (as plans name it), and what it is to run. ``serving``: others may call it."""

    pod: Pod
    place: str
    port: int
    cpu: int
    version: str
    ailment: Ailment
    serving: bool
    down_since_s: float | None = None


@dataclass(slots=True)
class Conductor:
    """A running shop. Use as a context: leaving it ends every process.

    With the address of a ``hypocenter``, alerts go there too, and spans there instead of into our own intake. Of its
    ``pods`` (every one that there ever was) the ``replicas`` run now; both are by the name of the pod.
    """

    shop_file: str
    hypocenter: str = ""
    shop: Shop = field(init=False)
    directory: Path = field(init=False)
    processes: Processes = field(init=False)
    intake: Intake = field(init=False)
    replicas: dict[str, Replica] = field(default_factory=dict[str, Replica])
    pods: dict[str, Pod] = field(default_factory=dict[str, Pod])
    stores: dict[str, Pod] = field(default_factory=dict[str, Pod])
    changes: list[Change] = field(default_factory=list[Change])
    ports: dict[str, int] = field(default_factory=dict[str, int])
    ways: list[Way] = field(default_factory=list[Way])
    _watches: list[StoreWatch] = field(default_factory=list[StoreWatch])
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _weather: dict[str, Weather] = field(default_factory=dict[str, Weather])

    def __enter__(self) -> "Conductor":
        self.shop = read_shop(self.shop_file)
        ground.check_packages()
        with contextlib.ExitStack() as stack:
            self.directory = Path(tempfile.mkdtemp(prefix=f"testbed-{self.shop.name}-"))
            stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
            self.directory.chmod(0o755)
            self._assign_ports(stack)
            watching = stack.enter_context(contextlib.ExitStack())  # left after the stores have ended
            self.processes = stack.enter_context(Processes(self.directory))
            self.intake = stack.enter_context(Intake(self._exposition))
            self._start(watching)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # -- starting

    def _start(self, watching: contextlib.ExitStack) -> None:
        cpus = os.cpu_count() or 1
        for name, store in self.shop.stores.items():
            cpu = self.shop.cpu(store.node, cpus)
            if store.kind == "redis":
                ground.start_redis(self.processes, name, self.ports[name], cpu)
            else:
                ground.start_postgres(self.processes, self.shop, name, self.ports[name], cpu)
            ask = redis_watch if store.kind == "redis" else postgres_watch
            watch = StoreWatch(name, store.node, ask(self.ports[name]))
            self._watches.append(watching.enter_context(watch))
        self._start_proxy()
        for name in self.replicas:
            self._launch(name)
        for name, replica in self.replicas.items():
            wait_until(answers(replica.port), self.processes.running[name], START_LIMIT_S)
        self._start_watchers()
        self._start_load()

    def _assign_ports(self, stack: contextlib.ExitStack) -> None:
        fixed = ["proxy", "load", "prometheus", "alertmanager", "node-exporter", *self.shop.stores]
        places = {service: self.shop.places(service, SPARE) for service in self.shop.services}
        own = [place for service in self.shop.services for place in places[service]]
        places |= {store: self.shop.places(store) for store in self.shop.stores}
        calls = [(caller, place) for caller, callee in self.shop.calls() for place in places[callee]]
        ports = iter(stack.enter_context(held_ports(len(fixed) + len(own) + len(calls))))
        self.ports = {name: next(ports) for name in (*fixed, *own)}
        self.ports |= {places[store][0]: self.ports[store] for store in self.shop.stores}
        self.ways = [Way(name=f"{c}>{place}", listen=next(ports), target=self.ports[place]) for c, place in calls]
        for service in self.shop.services:
            for place in self.shop.places(service):
                self._add_pod(service, place, USUAL_VERSION, Ailment(), serving=True)
        for store in self.shop.stores:
            self.stores[store] = Pod(f"{store}-0", store, self.shop.node_of(store))

    def _add_pod(self, service: str, place: str, version: str, ailment: Ailment, *, serving: bool) -> str:
        """The name of a new pod, whose process is not started yet."""
        node = self.shop.node_of(service)
        pod = Pod(pod_name(service, version), service, node)
        cpu = self.shop.cpu(node, os.cpu_count() or 1)
        self.pods[pod.name] = pod
        self.replicas[pod.name] = Replica(pod, place, self.ports[place], cpu, version, ailment, serving)
        return pod.name

    def _start_proxy(self) -> None:
        file = self.directory / "ways.json"
        file.write_text(json.dumps({"ways": [way.model_dump() for way in self.ways]}))
        port = self.ports["proxy"]
        argv = (sys.executable, "-m", "deploy.testbed.proxy", "--ways", str(file), "--port", str(port))
        wait_until(answers(port), self.processes.start("proxy", argv), START_LIMIT_S)
        self._write_wiring()

    def _write_wiring(self) -> None:
        """Tells every service which replicas its callees have now."""
        listen = {way.name: way.listen for way in self.ways}
        calls: dict[str, dict[str, tuple[int, ...]]] = {name: {} for name in self.shop.services}
        stores: dict[str, dict[str, int]] = {name: {} for name in self.shop.services}
        for caller, callee in self.shop.calls():
            if callee in self.shop.stores:
                stores[caller][self.shop.stores[callee].kind] = listen[f"{caller}>{callee}-0"]
            else:
                serving = [r.place for r in self.replicas.values() if r.pod.service == callee and r.serving]
                calls[caller][callee] = tuple(listen[f"{caller}>{place}"] for place in sorted(serving))
        wiring = Wiring(calls=calls, stores=stores, collector=self.hypocenter or f"http://127.0.0.1:{self.intake.port}")
        aside = self.directory / "wiring.new"
        aside.write_text(wiring.model_dump_json())
        aside.replace(self.directory / "wiring.json")

    def _launch(self, name: str) -> Process:
        replica = self.replicas[name]
        argv = (
            sys.executable, "-m", "deploy.testbed.program", "--shop", self.shop_file, "--service", replica.pod.service,
            "--pod", name, "--wiring", str(self.directory / "wiring.json"), "--port", str(replica.port),
            "--version", replica.version, "--ailment", replica.ailment.model_dump_json(),
        )  # fmt: skip
        return self.processes.start(name, argv, cpu=replica.cpu)

    def _start_watchers(self) -> None:
        ground.start_node_exporter(self.processes, self.ports["node-exporter"])
        hooks = [f"http://127.0.0.1:{self.intake.port}/alerts"]
        hooks += [f"{self.hypocenter}/v1/alerts"] if self.hypocenter else []
        ground.start_alertmanager(self.processes, self.ports["alertmanager"], hooks)
        ground.start_prometheus(
            self.processes, self.shop, self.ports["prometheus"], self.ports["alertmanager"], self._targets()
        )

    def _targets(self) -> list[ground.Target]:
        own = ground.Target(self.intake.port, {}, "containers")
        machine = ground.Target(self.ports["node-exporter"], {}, ground.MACHINE)
        load = ground.Target(self.ports["load"], {"service": "customers"}, "load")
        pods = [
            ground.Target(r.port, {"service": r.pod.service, "pod": r.pod.name, "node": r.pod.node}, "services")
            for r in self.replicas.values()
            if r.serving
        ]
        return [own, machine, load, *pods]

    def _start_load(self) -> None:
        entries = ",".join(str(self.ports[place]) for place in self.shop.places(self.shop.entry))
        port = self.ports["load"]
        argv = (sys.executable, "-m", "deploy.testbed.load", "--shop", self.shop_file, "--entries", entries,
                "--port", str(port))  # fmt: skip
        wait_until(answers(port), self.processes.start("load", argv), START_LIMIT_S)

    # -- keeping it running

    def run(
        self,
        seconds: float,
        *,
        until: Callable[[], bool] = lambda: False,
        each: Callable[[], None] | None = None,
    ) -> bool:
        """Keeps the shop running for so long, or until something holds (then true)."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if until():
                return True
            self.tick()
            if each is not None:
                each()
            time.sleep(TICK_S)
        return until()

    def tick(self) -> None:
        """Starts again what ended, kills what took too much memory. Raises `StartError` if the ground is gone."""
        for name, replica in self.replicas.items():
            self._look_after(name, replica)
        for name in ("proxy", "load", "prometheus", "alertmanager", *self.shop.stores):
            if not self.processes.running[name].alive:
                raise StartError(f"{name} ended by itself: see {self.processes.running[name].log}")

    def _look_after(self, name: str, replica: Replica) -> None:
        process, now = self.processes.running.get(name), time.monotonic()
        if process is not None and process.alive:
            replica.down_since_s = None
            if replica.pod.resident > MEMORY_LIMIT:
                self.processes.stop(name, at_once=True)
            elif not replica.serving and answers(replica.port)():
                replica.serving = True
                self._replicas_changed()
        elif replica.down_since_s is None:
            replica.down_since_s = now
        elif now - replica.down_since_s > BACK_OFF_S:
            code = process.popen.returncode if process is not None else -9
            self.processes.stop(name, at_once=True)
            replica.pod.restarts += 1
            reason = f"exit code {code if code >= 0 else 128 - code}"
            self.announce(replica.pod.service, "restart", f"container of {name} was restarted after {reason}")
            self._launch(name)

    def _exposition(self) -> str:
        pods = {name: replica.pod for name, replica in list(self.replicas.items())}  # they come and go meanwhile
        pods |= self.stores
        for name, pod in pods.items():
            process = self.processes.running.get(name)
            pod.look(process.family() if process else [])
        lines = itertools.chain(*(pod.told() for pod in pods.values()), *(watch.lines() for watch in self._watches))
        return "\n".join(lines) + "\n"

    # -- what can be done to it

    def ready(self, pod: str) -> bool:
        """Whether a replica answers."""
        return answers(self.replicas[pod].port)()

    def ail(self, pod: str, ailment: Ailment) -> None:
        """Gives a replica an ailment, or cures it (`Ailment()`); it keeps it when it is started again.

        One that does not listen any more is started anew.
        """
        replica = self.replicas[pod]
        replica.ailment = ailment
        try:
            httpx.put(f"http://127.0.0.1:{replica.port}/ailment", content=ailment.model_dump_json(), timeout=8)
        except httpx.HTTPError:
            self.processes.stop(pod, at_once=True)

    def replace(self, pod: str, version: str, ailment: Ailment) -> None:
        """Stops a replica and starts a pod of another version in its place; waits until it answers: `StartError`."""
        self.processes.stop(pod)
        old = self.replicas.pop(pod)
        name = self._add_pod(old.pod.service, old.place, version, ailment, serving=True)
        self._replicas_changed()
        wait_until(answers(old.port), self._launch(name), START_LIMIT_S)

    def add(self, service: str, version: str, ailment: Ailment) -> str:
        """Starts one more replica, a pod of another version, which is called as soon as it answers; tells its name."""
        taken = {replica.place for replica in self.replicas.values()}
        place = next(place for place in self.shop.places(service, SPARE) if place not in taken)
        name = self._add_pod(service, place, version, ailment, serving=False)
        self._launch(name)
        return name

    def remove(self, pod: str) -> None:
        """Ends a replica once nobody calls it any more."""
        del self.replicas[pod]
        self._replicas_changed()
        self.run(2 * LOOK_S)
        self.processes.stop(pod)

    def _replicas_changed(self) -> None:
        self._write_wiring()
        ground.write_targets(self.processes, self._targets())

    def announce(self, service: str, kind: str, summary: str) -> None:
        """Records a change, as a pipeline would."""
        self.changes.append(Change(datetime.now(UTC), service, kind, summary))

    def set_weather(self, weather: Mapping[str, Weather]) -> None:
        """The network's state by way, on top of what it is."""
        self._weather = {name: told for name, told in {**self._weather, **weather}.items() if told != Weather()}
        body = {name: told.model_dump() for name, told in self._weather.items()}
        httpx.put(f"http://127.0.0.1:{self.ports['proxy']}/weather", json=body, timeout=5).raise_for_status()

    def set_surge(self, surge: Surge) -> None:
        """More customers, or as many as usual."""
        url = f"http://127.0.0.1:{self.ports['load']}/surge"
        httpx.put(url, content=surge.model_dump_json(), timeout=10).raise_for_status()

    def set_objective(self, milliseconds: float) -> None:
        """What the entry's alert on latency compares with: set too tight, it fires although nothing is wrong."""
        url = f"http://127.0.0.1:{self.ports['load']}/objective"
        httpx.put(url, content=str(milliseconds), timeout=10).raise_for_status()

    def log_files(self) -> list[tuple[Pod, Path]]:
        """What each pod has written, those that are gone too."""
        return [(pod, self.directory / "logs" / f"{name}.log") for name, pod in self.pods.items()]

    def used_cpu_s(self) -> float:
        """Seconds of cpu that the testbed's processes have used."""
        return sum(self._cpu_of_all())

    def _cpu_of_all(self) -> Iterator[float]:
        for process in list(self.processes.running.values()):
            for member in process.family():
                with contextlib.suppress(psutil.Error):
                    times = member.cpu_times()
                    yield times.user + times.system
