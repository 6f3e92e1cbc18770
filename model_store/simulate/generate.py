from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np

from model_store.simulate.executions import Executions, random_executions
from model_store.simulate.families import TRAINING, Family, family_of
from model_store.simulate.faults import FIELD_WEIGHTS, KINDS, choose_target, choose_way
from model_store.simulate.gauges import random_gauges
from model_store.simulate.nuisances import disturb
from model_store.simulate.record import record
from model_store.simulate.releases import roll_out, with_releases, with_versions
from model_store.simulate.scene import Release, Scene, Target
from model_store.simulate.system import System, random_system
from model_store.simulate.times import Times, field_times, random_times
from model_store.simulate.workload import Floats, arrivals, random_workload, with_moved_mix, with_rare_path
from service.domain.alert import Alert
from service.domain.component import ComponentKind
from service.domain.evidence import Signal
from service.domain.fault import Fault
from service.domain.incident import Incident
from service.domain.window import rfc3339
from service.errors import CallerError
from service.ports import Telemetry
from service.stores.alert_body import AlertGroup, alert_body
from service.stores.case_files import write_case
from service.stores.case_tables import CaseTables
from service.stores.memory import InMemoryTelemetry

SYSTEM = "synthetic"
TWO_FAULTS = 0.04
"""How many incidents have two things wrong at once."""
LOW_TRAFFIC = 0.08
"""How many have but a few requests."""


@dataclass(frozen=True, slots=True)
class SyntheticCase:
    """One incident that never happened: what a responder would be given, all telemetry, and what was really broken."""

    incident: Incident
    alert_body: dict[str, object]
    tables: CaseTables
    truth: dict[str, object]
    family: str = TRAINING.name

    @property
    def telemetry(self) -> Telemetry:
        """Stores in memory that answer from the tables."""
        return InMemoryTelemetry(self.tables).telemetry

    def write(self, directory: Path) -> None:
        """Writes it as a case/1 directory."""
        write_case(directory, self.incident, self.alert_body, self.tables, self.truth)


@dataclass(frozen=True, slots=True)
class _Struck:
    """One fault as it was put there."""

    fault: Fault
    way: str
    target: Target


def generate(
    seed: int,
    *,
    services: int = 12,
    traces: int = 300,
    fault: Fault | None = None,
    healthy: bool = False,
    family: str = TRAINING.name,
) -> SyntheticCase:
    """A synthetic incident of about ``traces`` requests in the window and as high a rate in the baseline; the same
    arguments give the same tables. Without a ``fault`` it is one by chance; if ``healthy``, nothing is wrong.
    ``family`` is one of `families.families`. Raises `CallerError` for a family that there is not, and for a fault that
    cannot be simulated, which is `Fault.UNKNOWN`.
    """
    if fault is not None and fault not in KINDS:
        raise CallerError(f"fault {fault.value}: cannot be simulated; there are {', '.join(sorted(KINDS))}")
    kin = family_of(family)
    rng = np.random.default_rng(seed)
    system = random_system(rng, services, kin.shapes[int(rng.integers(len(kin.shapes)))])
    times = random_times(rng)
    # A stream of its own: what the other families draw stays as it was, whatever is added to this one.
    field_rng = rng.spawn(1)[0] if kin.field else None
    if field_rng is not None:
        system, times = with_versions(field_rng, system), field_times(field_rng)
    fault = None if healthy else fault or _any_fault(rng, kin)
    scene = set_the_scene(rng, system, times, _requests(rng, traces), fault, field_rng)
    disturb(scene, fault, times.onset_us, kin)
    struck = () if fault is None else _strike(scene, fault, kin, times.onset_us)
    incident, group = _tell(seed, scene, times)
    truth = _truth(scene, struck, times)
    return SyntheticCase(incident, alert_body(group), record(scene, times), truth, kin.name)


def _any_fault(rng: np.random.Generator, family: Family) -> Fault:
    weights = np.array([FIELD_WEIGHTS.get(kind, 1) if family.field else 1 for kind in KINDS])
    chances = weights / weights.sum() if family.field else None  # None draws as it always did
    return Fault(str(rng.choice([kind.value for kind in KINDS], p=chances)))


def _requests(rng: np.random.Generator, traces: int) -> int:
    return round(traces * float(rng.uniform(0.15, 0.4))) if rng.random() < LOW_TRAFFIC else traces


def set_the_scene(
    rng: np.random.Generator,
    system: System,
    times: Times,
    traces: int,
    fault: Fault | None,
    field_rng: np.random.Generator | None = None,
) -> Scene:
    """A system at work, nothing wrong yet, in the baseline and with ``traces`` requests in the window. ``field_rng``
    draws what belongs to the field family: another mix, a rare path, releases.
    """
    workload, rare = random_workload(rng, system), None
    surge = (times.onset_us, float(np.exp(rng.uniform(np.log(2.5), np.log(8))))) if fault is Fault.OVERLOAD else None
    rate_before = traces / times.window_us * float(np.exp(rng.normal(0, 0.1)))
    if field_rng is not None:
        system, workload, rare = with_rare_path(field_rng, system, with_moved_mix(field_rng, workload))
        rate_before *= float(np.exp(field_rng.normal(0, 0.3)))

    def executions(length_us: int, count: float, mix: Floats, more: tuple[int, float] | None) -> list[Executions]:
        return [
            random_executions(rng, system, journey, arrivals(rng, length_us, count * share, more))
            for journey, share in zip(workload.journeys, mix.tolist(), strict=True)
        ]

    now = executions(times.window_us, traces, workload.mix_now, surge)
    length_us = times.before_length_us
    before = executions(length_us, rate_before * length_us, workload.mix_before, None)
    releases: tuple[Release, ...] = ()
    if field_rng is not None:
        bad = fault is Fault.DEPLOY
        system, releases = with_releases(field_rng, system, now, times.window_us, times.onset_us, bad)
    gauges = random_gauges(rng, system, times.samples(rng), times.window_us)
    scene = Scene(rng, system, now, before, gauges, float(times.window_us), float(length_us))
    scene.begin_us, scene.rare, scene.releases = float(times.before_us), rare, releases
    if field_rng is not None:
        roll_out(scene)
        scene.done += [*times.conditions(), *(f"release of {system.names[r.service]}" for r in releases)]
    return scene


def _strike(scene: Scene, fault: Fault, family: Family, onset_us: int) -> tuple[_Struck, ...]:
    """Lets the fault strike; now and then a second one, of another kind and elsewhere, at the same time."""
    kinds = [fault]
    if len(scene.system.names) > 5 and fault is not Fault.OVERLOAD and scene.rng.random() < TWO_FAULTS:
        kinds.append(Fault(str(scene.rng.choice([k.value for k in KINDS if k not in (fault, Fault.OVERLOAD)]))))
    struck: list[_Struck] = []
    for kind in kinds:
        way = choose_way(scene, kind, family, onset_us)
        target = choose_target(scene, kind, way, onset_us, frozenset(s.target.service for s in struck))
        way.strike(scene, target)
        struck.append(_Struck(kind, way.name, target))
    return tuple(struck)


_ALERTS = (
    ("EntryServiceDegraded", "latency or success rate of user requests out of objective"),
    ("EntryLatencyHigh", "p90 latency above objective"),
    ("EntryErrorsHigh", "share of failed requests above objective"),
)


def _tell(seed: int, scene: Scene, times: Times) -> tuple[Incident, AlertGroup]:
    entry = scene.system.names[0]
    window = times.window(0, times.window_us)
    name, said = _ALERTS[int(scene.rng.integers(len(_ALERTS)))]
    labels = {"alertname": name, "severity": "critical", "namespace": SYSTEM, "service": entry}
    alert = Alert(
        fingerprint=f"{seed:016x}",
        starts_at=window.start + timedelta(microseconds=times.alert_us),
        labels=labels,
        annotations={"summary": f"{entry}: {said}"},
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


def _truth(scene: Scene, struck: tuple[_Struck, ...], times: Times) -> dict[str, object]:
    nuisances = f"; {', '.join(scene.done)}" if scene.done else ""
    if not struck:
        return {"causes": [], "injected_at": None, "detail": f"nothing was wrong{nuisances}"}
    what = ", ".join(f"{s.fault.value} ({s.way}) in a {scene.system.roles[s.target.service].value}" for s in struck)
    return {
        "causes": [_cause(scene.system, s) for s in struck],
        "injected_at": rfc3339(times.window(times.onset_us, 1).start),
        "detail": f"{what}{nuisances}",
    }


def _cause(system: System, struck: _Struck) -> dict[str, str]:
    component = struck.target.component(system)
    cause = {
        "kind": component.kind.value,
        "name": component.name,
        "fault": struck.fault.value,
        "fault_source": f"simulated {struck.fault.value}/{struck.way}",
    }
    if component.kind is ComponentKind.SERVICE and len(struck.target.pods) == 1:
        cause["pod"] = system.pod_names[struck.target.pods[0]]
    return cause
