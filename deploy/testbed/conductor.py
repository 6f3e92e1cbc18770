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
from deploy.testbed.containers import Pod, StoreWatch, postgres_watch, redis_watch
from deploy.testbed.errors import StartError
from deploy.testbed.intake import Intake
from deploy.testbed.load import Surge
from deploy.testbed.processes import Process, Processes, answers, wait_until
from deploy.testbed.program.trouble import Ailment
from deploy.testbed.program.wiring import Wiring
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


@dataclass(frozen=True, slots=True)
class Change:
    """Something that was done to the shop on purpose, or that the platform did: as in the table of changes."""

    at: datetime
    service: str
    kind: str
    summary: str


@dataclass(slots=True)
class Replica:
    """A pod and what it is to run."""

    pod: Pod
    port: int
    cpu: int
    version: str = USUAL_VERSION
    ailment: Ailment = field(default_factory=Ailment)
    down_since_s: float | None = None


@dataclass(slots=True)
class Conductor:
    """A running shop. Use as a context: leaving it ends every process.

    With the address of a ``hypocenter``, alerts go there too, and spans there instead of into our own intake.
    """

    shop_file: str
    hypocenter: str = ""
    shop: Shop = field(init=False)
    directory: Path = field(init=False)
    processes: Processes = field(init=False)
    intake: Intake = field(init=False)
    replicas: dict[str, Replica] = field(default_factory=dict[str, Replica])
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
        cpus = os.cpu_count() or 1
        fixed = ["proxy", "load", "prometheus", "alertmanager", "node-exporter", *self.shop.stores]
        pods = [(s, pod) for s in self.shop.services for pod in self.shop.pods(s)]
        calls = [(caller, pod) for caller, callee in self.shop.calls() for pod in self.shop.pods(callee)]
        ports = iter(stack.enter_context(held_ports(len(fixed) + len(pods) + len(calls))))
        self.ports = {name: next(ports) for name in fixed}
        for service, pod in pods:
            node = self.shop.node_of(service)
            self.replicas[pod] = Replica(Pod(pod, service, node), next(ports), self.shop.cpu(node, cpus))
        for store in self.shop.stores:
            self.stores[store] = Pod(f"{store}-0", store, self.shop.node_of(store))
        for caller, pod in calls:
            target = self.ports[store] if (store := pod.removesuffix("-0")) in self.shop.stores else None
            self.ways.append(Way(name=f"{caller}>{pod}", listen=next(ports), target=target or self.replicas[pod].port))

    def _start_proxy(self) -> None:
        file = self.directory / "ways.json"
        file.write_text(json.dumps({"ways": [way.model_dump() for way in self.ways]}))
        port = self.ports["proxy"]
        argv = (sys.executable, "-m", "deploy.testbed.proxy", "--ways", str(file), "--port", str(port))
        wait_until(answers(port), self.processes.start("proxy", argv), START_LIMIT_S)
        listen = {way.name: way.listen for way in self.ways}
        calls: dict[str, dict[str, tuple[int, ...]]] = {name: {} for name in self.shop.services}
        stores: dict[str, dict[str, int]] = {name: {} for name in self.shop.services}
        for caller, callee in self.shop.calls():
            if callee in self.shop.stores:
                stores[caller][self.shop.stores[callee].kind] = listen[f"{caller}>{callee}-0"]
            else:
                calls[caller][callee] = tuple(listen[f"{caller}>{pod}"] for pod in self.shop.pods(callee))
        wiring = Wiring(calls=calls, stores=stores, collector=self.hypocenter or f"http://127.0.0.1:{self.intake.port}")
        (self.directory / "wiring.json").write_text(wiring.model_dump_json())

    def _launch(self, name: str) -> Process:
        replica = self.replicas[name]
        argv = (
            sys.executable, "-m", "deploy.testbed.program", "--shop", self.shop_file, "--service", replica.pod.service,
            "--pod", name, "--wiring", str(self.directory / "wiring.json"), "--port", str(replica.port),
            "--version", replica.version, "--ailment", replica.ailment.model_dump_json(),
        )  # fmt: skip
        return self.processes.start(name, argv, cpu=replica.cpu)

    def _start_watchers(self) -> None:
        own = ground.Target(self.intake.port, {}, "containers")
        machine = ground.Target(self.ports["node-exporter"], {}, ground.MACHINE)
        load = ground.Target(self.ports["load"], {"service": "customers"}, "load")
        pods = [
            ground.Target(r.port, {"service": r.pod.service, "pod": r.pod.name, "node": r.pod.node}, "services")
            for r in self.replicas.values()
        ]
        ground.start_node_exporter(self.processes, self.ports["node-exporter"])
        hooks = [f"http://127.0.0.1:{self.intake.port}/alerts"]
        hooks += [f"{self.hypocenter}/v1/alerts"] if self.hypocenter else []
        ground.start_alertmanager(self.processes, self.ports["alertmanager"], hooks)
        ground.start_prometheus(
            self.processes, self.shop, self.ports["prometheus"], self.ports["alertmanager"], [own, machine, load, *pods]
        )

    def _start_load(self) -> None:
        entries = ",".join(str(self.replicas[pod].port) for pod in self.shop.pods(self.shop.entry))
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
        for name, replica in self.replicas.items():
            process = self.processes.running.get(name)
            replica.pod.look(process.family() if process else [])
        for name, pod in self.stores.items():
            process = self.processes.running.get(name)
            pod.look(process.family() if process else [])
        pods = itertools.chain((r.pod for r in self.replicas.values()), self.stores.values())
        lines = itertools.chain(
            *(pod.told() for pod in pods),
            *(watch.lines() for watch in self._watches),
        )
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
        """Stops a replica and starts another version of it; waits until that answers. Raises `StartError`."""
        replica = self.replicas[pod]
        replica.version, replica.ailment = version, ailment
        self.processes.stop(pod)
        wait_until(answers(replica.port), self._launch(pod), START_LIMIT_S)

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

    def log_files(self) -> dict[str, Path]:
        """What each replica has written, by pod."""
        return {name: self.directory / "logs" / f"{name}.log" for name in self.replicas}

    def used_cpu_s(self) -> float:
        """Seconds of cpu that the testbed's processes have used."""
        return sum(self._cpu_of_all())

    def _cpu_of_all(self) -> Iterator[float]:
        for process in list(self.processes.running.values()):
            for member in process.family():
                with contextlib.suppress(psutil.Error):
                    times = member.cpu_times()
                    yield times.user + times.system
