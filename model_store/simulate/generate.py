from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from model_store.simulate.executions import Executions, random_executions
from model_store.simulate.faults import BY_POD, EFFECTS, MINUTE_US, SURGE, can_strike
from model_store.simulate.gauges import random_gauges
from model_store.simulate.nuisances import disturb
from model_store.simulate.recorder import Recorder, change_table, metric_table, topology_table
from model_store.simulate.scene import Scene, Target
from model_store.simulate.system import System, random_system
from model_store.simulate.workload import Floats, arrivals, random_workload
from service.domain.alert import Alert
from service.domain.evidence import Signal
from service.domain.fault import Fault
from service.domain.incident import Incident
from service.domain.window import Window, rfc3339
from service.errors import CallerError
from service.ports import Telemetry
from service.stores.alert_body import AlertGroup, alert_body
from service.stores.case_files import write_case
from service.stores.case_tables import CaseTables
from service.stores.memory import InMemoryTelemetry

SYSTEM = "synthetic"
WINDOW_BEFORE = timedelta(minutes=10)
WINDOW_US = 12 * MINUTE_US
FEWEST_HITS = 10
"""A fault strikes where at least so many executions would feel it: else nothing could be seen, and no alert come."""


@dataclass(frozen=True, slots=True)
class SyntheticCase:
    """One incident that never happened: what a responder would be given, all telemetry, and what was really broken."""

    incident: Incident
    alert_body: dict[str, object]
    tables: CaseTables
    truth: dict[str, object]

    @property
    def telemetry(self) -> Telemetry:
        """Stores in memory that answer from the tables."""
        return InMemoryTelemetry(self.tables).telemetry

    def write(self, directory: Path) -> None:
        """Writes it as a case/1 directory."""
        write_case(directory, self.incident, self.alert_body, self.tables, self.truth)


@dataclass(frozen=True, slots=True)
class _Times:
    """When things happen; µs count from the window's start, where the epoch's ``zero_us`` lies."""

    zero_us: int
    onset_us: int
    before_us: int
    before_length_us: int
    metrics_before_us: int
    metrics_length_us: int

    def window(self, start_us: int, length_us: int) -> Window:
        start = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=self.zero_us + start_us)
        return Window(start, start + timedelta(microseconds=length_us))


def generate(
    seed: int, *, services: int = 12, traces: int = 300, fault: Fault | None = None, healthy: bool = False
) -> SyntheticCase:
    """A synthetic incident of about ``traces`` requests in the window and as high a rate in the baseline; the same
    arguments give the same tables. Without a ``fault`` it is one by chance; if ``healthy``, nothing is wrong.
    Raises `CallerError` for a fault that cannot be simulated, which is `Fault.UNKNOWN`.
    """
    if fault is not None and fault not in EFFECTS:
        raise CallerError(f"fault {fault.value}: cannot be simulated; there are {', '.join(sorted(EFFECTS))}")
    rng = np.random.default_rng(seed)
    system = random_system(rng, services)
    times = _random_times(rng)
    fault = None if healthy else fault or Fault(str(rng.choice([kind.value for kind in EFFECTS])))
    scene = _set_the_scene(rng, system, times, traces, fault)
    disturb(scene, fault)
    target = None
    if fault is not None:
        target = _choose_target(scene, fault, times.onset_us)
        EFFECTS[fault](scene, target)
    incident, group = _tell(seed, system, times)
    return SyntheticCase(incident, alert_body(group), _record(scene, times), _truth(system, fault, target, times))


def _random_times(rng: np.random.Generator) -> _Times:
    zero = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(rng.integers(300 * 86_400_000)))
    length_us = int(rng.uniform(8, 16) * MINUTE_US)
    away_us = int(rng.uniform(20, 60) * MINUTE_US)
    before = rng.random() < 0.7
    return _Times(
        zero_us=int(zero.timestamp()) * 1_000_000,
        onset_us=10 * MINUTE_US - int(rng.uniform(1, 4) * MINUTE_US),
        before_us=-away_us - length_us if before else WINDOW_US + away_us,
        before_length_us=length_us,
        metrics_before_us=-30 * MINUTE_US if before else WINDOW_US + away_us,
        metrics_length_us=30 * MINUTE_US - 1,
    )


def _set_the_scene(rng: np.random.Generator, system: System, times: _Times, traces: int, fault: Fault | None) -> Scene:
    workload = random_workload(rng, system)
    surge = (times.onset_us, SURGE) if fault is Fault.OVERLOAD else None
    rate_before = traces / WINDOW_US * float(np.exp(rng.normal(0, 0.1)))

    def executions(length_us: int, count: float, mix: Floats, more: tuple[int, float] | None) -> list[Executions]:
        return [
            random_executions(rng, system, journey, arrivals(rng, length_us, count * share, more))
            for journey, share in zip(workload.journeys, mix.tolist(), strict=True)
        ]

    now = executions(WINDOW_US, traces, workload.mix_now, surge)
    length_us = times.before_length_us
    before = executions(length_us, rate_before * length_us, workload.mix_before, None)
    return Scene(rng, system, now, before, random_gauges(rng, system, _sample_times(rng, times), WINDOW_US))


def _sample_times(rng: np.random.Generator, times: _Times) -> Floats:
    """One sample a minute, in the baseline of metrics and in the window."""
    phase = float(rng.integers(MINUTE_US))
    before = times.metrics_before_us + np.arange(30) * float(MINUTE_US)
    return np.concatenate([before, np.arange(12) * float(MINUTE_US)]).astype(np.float64) + phase


def _choose_target(scene: Scene, fault: Fault, onset_us: int) -> Target:
    """A service that the fault can strike and that enough requests visit; one of its pods if that kind strikes pods."""
    rng, system = scene.rng, scene.system
    everything = [(x, x.made & (x.arrived_us >= onset_us)[:, None]) for x in scene.now]
    visits = sum(np.bincount(x.services(), made.sum(axis=0), len(system.names)) for x, made in everything)
    fitting = [s for s in range(len(system.names)) if can_strike(fault, system, s)] or list(range(len(system.names)))
    felt = [s for s in fitting if np.asarray(visits)[s] >= FEWEST_HITS] or fitting
    service = int(rng.choice(felt))
    pods = system.pods[service]
    if fault in BY_POD and rng.random() < 0.5:
        pods = (int(rng.choice(pods)),)
    return Target(service, pods, onset_us)


def _record(scene: Scene, times: _Times) -> CaseTables:
    recorder = Recorder(scene.rng, scene.system)
    for executions in scene.before:
        recorder.record(executions, times.zero_us + times.before_us)
    for executions in scene.now:
        recorder.record(executions, times.zero_us)
    tables = {
        "spans": recorder.span_table(),
        "logs": recorder.log_table(),
        "metrics": metric_table(scene.gauges, times.zero_us),
        "topology": topology_table(scene.rng, scene.system),
        "changes": change_table(scene.system, scene.changes, times.zero_us),
    }
    return CaseTables(**{name: table for name, table in tables.items() if name not in scene.missing})


def _tell(seed: int, system: System, times: _Times) -> tuple[Incident, AlertGroup]:
    entry = system.names[0]
    window = times.window(0, WINDOW_US)
    labels = {"alertname": "EntryServiceDegraded", "severity": "critical", "namespace": SYSTEM, "service": entry}
    alert = Alert(
        fingerprint=f"{seed:016x}",
        starts_at=window.start + WINDOW_BEFORE,
        labels=labels,
        annotations={"summary": f"{entry}: latency or success rate of user requests out of objective"},
    )
    compared = times.window(times.before_us, times.before_length_us)
    sampled = times.window(times.metrics_before_us, times.metrics_length_us)
    incident = Incident(
        id=f"synthetic-{seed}",
        alerts=(alert,),
        window=window,
        baselines={Signal.TRACES: compared, Signal.LOGS: compared, Signal.METRICS: sampled},
        system=SYSTEM,
    )
    grouped = {"alertname": labels["alertname"], "namespace": SYSTEM}
    return incident, AlertGroup(f"{{}}:{grouped}", "firing", (alert,), grouped)


def _truth(system: System, fault: Fault | None, target: Target | None, times: _Times) -> dict[str, object]:
    if fault is None or target is None:
        return {"causes": [], "injected_at": None, "detail": "nothing was wrong"}
    cause = {
        "kind": "service",
        "name": system.names[target.service],
        "fault": fault.value,
        "fault_source": f"simulated {fault.value}",
    }
    if fault in BY_POD and len(target.pods) == 1:
        cause["pod"] = system.pod_names[target.pods[0]]
    injected = times.window(target.onset_us, 1).start
    role = system.roles[target.service].value
    return {"causes": [cause], "injected_at": rfc3339(injected), "detail": f"{fault.value} in a {role}"}
