"""Records one incident of a running shop as a case: healthy, then broken, the alert that was really sent, the truth."""

import json
import os
import random
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psutil

from deploy.testbed.conductor import Conductor
from deploy.testbed.errors import RejectedError
from deploy.testbed.faults import cause_of, injected
from deploy.testbed.plan import Plan, Planned, case_directory
from deploy.testbed.telemetry_tables import change_table, log_table, metric_table, span_table, topology_table
from service.domain.evidence import Signal
from service.domain.incident import Incident
from service.domain.window import Window
from service.stores.alert_body import parse_alert_body, rfc3339
from service.stores.case_files import write_case
from service.stores.case_tables import CaseTables

EXPORT_S = 2.5
"""How long spans and scrapes may take to arrive."""
MOST_OWN_LOAD = 1 / 3
"""Share of the machine that the shop may use while it is healthy: more, and a fault says nothing about its place."""
MOST_ERRORS = 0.01
QUIET_LIMIT_S = 40.0


@dataclass(slots=True)
class Saturation:
    """How busy the machine was: shares of all cores, by whatever does not give way at once (`nice`), and by the
    testbed's own processes.
    """

    conductor: Conductor
    samples: list[float] = field(default_factory=list[float])
    _own_s: float = 0
    _begun_s: float = 0
    _next_s: float = 0

    def begin(self) -> None:
        """From here on."""
        psutil.cpu_times_percent()
        self.samples = []
        self._own_s, self._begun_s, self._next_s = self.conductor.used_cpu_s(), time.monotonic(), 0

    def sample(self) -> None:
        """Looks once a second."""
        if time.monotonic() > self._next_s:
            self._next_s = time.monotonic() + 1
            spent = psutil.cpu_times_percent()
            self.samples.append(max(0.0, 100 - spent.idle - spent.iowait - spent.nice) / 100)

    def told(self) -> dict[str, float]:
        """Mean and worst second of the machine, and the testbed's own share."""
        own = (self.conductor.used_cpu_s() - self._own_s) / (time.monotonic() - self._begun_s) / (os.cpu_count() or 1)
        rest = self.samples[1:] or [0.0]
        return {"machine": round(sum(rest) / len(rest), 3), "worst": round(max(rest), 3), "own": round(own, 3)}


@dataclass(frozen=True, slots=True)
class Phases:
    """When each phase of a recording began."""

    baseline: datetime
    window: datetime
    injected: datetime
    end: datetime


def record(conductor: Conductor, plan: Plan, planned: Planned, out: Path, say: Callable[[str], None]) -> None:
    """Records one incident into its place under ``out``. Raises `RejectedError` if it is worth nothing."""
    _wait_for_quiet(conductor)
    conductor.intake.forget_before(time.time())
    saturation = Saturation(conductor)
    baseline = _now()
    saturation.begin()
    conductor.run(plan.baseline_s, each=saturation.sample)
    load = saturation.told()
    _check_baseline(conductor, plan, load)
    window = _now()
    conductor.run(random.uniform(*plan.lead_s))
    if (body := conductor.intake.firing_since(baseline.timestamp())) is not None:
        raise RejectedError("an alert fired before anything was broken")
    saturation.begin()
    body, broken, causes = _break(conductor, plan, planned, saturation)
    end = _now()
    conductor.run(EXPORT_S)
    phases = Phases(baseline, window, broken, end)
    notes: dict[str, object] = {"load": {"baseline": load, "incident": saturation.told()}}
    _write(conductor, planned, out, phases, body, causes, notes)
    starts = max(alert.starts_at for alert in parse_alert_body(body).alerts if alert.firing)
    say(f"recorded, alert after {(starts - broken).total_seconds():.0f} s, machine {load['machine']:.0%} busy before")
    conductor.run(plan.settle_s)


def _break(
    conductor: Conductor, plan: Plan, planned: Planned, saturation: Saturation
) -> tuple[dict[str, object], datetime, list[dict[str, object]]]:
    """The body that Alertmanager sent, when the fault began, and what truth.json says of it."""
    active = planned.doings()
    causes = [cause_of(conductor, told) for told in planned.faults]
    broken = _now()
    with injected(conductor, active):

        def keep_up() -> None:
            saturation.sample()
            for fault in active:
                fault.tick(conductor)

        def alerted() -> bool:
            return conductor.intake.firing_since(broken.timestamp()) is not None

        if not conductor.run(plan.alert_limit_s, until=alerted, each=keep_up):
            raise RejectedError(f"no alert within {plan.alert_limit_s:.0f} s: the fault is too weak to be an incident")
        conductor.run(plan.tail_s, each=keep_up)
        body = conductor.intake.firing_since(broken.timestamp())
        assert body is not None, "it was there before"
        return body, broken, causes


def _wait_for_quiet(conductor: Conductor) -> None:
    """Lets the last alert end; one that does not end will be found in the baseline."""
    until = time.monotonic() + QUIET_LIMIT_S
    while _ask(conductor, "max(ALERTS)") is not None and time.monotonic() < until:
        conductor.run(2)


def _check_baseline(conductor: Conductor, plan: Plan, load: dict[str, float]) -> None:
    """Raises `RejectedError` if what is to be called healthy is not."""
    if load["own"] > MOST_OWN_LOAD:
        raise RejectedError(
            f"the healthy shop uses {load['own']:.0%} of the machine, more than a third: lower its rate"
        )
    window = f"[{plan.baseline_s:.0f}s]"
    steps = f"sum(increase(journey_steps_total{window}))"
    good = f'sum(increase(journey_steps_total{{outcome="ok"}}{window}))'
    share = _ask(conductor, f"1 - {good} / {steps}")
    if share is None or share > MOST_ERRORS:
        raise RejectedError(f"dirty baseline: {'no' if share is None else f'{share:.1%} failed'} customers")
    if _ask(conductor, f'max(max_over_time(ALERTS{{alertstate="firing"}}{window}))') is not None:
        raise RejectedError(f"dirty baseline: an alert fired in it; the machine was {load['machine']:.0%} busy")


def _ask(conductor: Conductor, query: str) -> float | None:
    url = f"http://127.0.0.1:{conductor.ports['prometheus']}/api/v1/query"
    try:
        told = httpx.get(url, params={"query": query}, timeout=10).raise_for_status().json()["data"]["result"]
    except httpx.HTTPError as error:
        raise RejectedError(f"Prometheus does not answer: {error}") from None
    return float(told[0]["value"][1]) if told else None


def _write(
    conductor: Conductor,
    planned: Planned,
    out: Path,
    phases: Phases,
    body: dict[str, object],
    causes: list[dict[str, object]],
    notes: dict[str, object],
) -> None:
    shop = conductor.shop
    window = Window(phases.window, phases.end)
    baseline = Window(phases.baseline, phases.window - timedelta(microseconds=1))
    whole = Window(phases.baseline, phases.end)
    prometheus = f"http://127.0.0.1:{conductor.ports['prometheus']}"
    tables = CaseTables(
        spans=span_table((body for _, body in conductor.intake.traces), whole),
        logs=log_table(conductor.log_files(), whole),
        metrics=metric_table(prometheus, shop, os.cpu_count() or 1, whole),
        topology=topology_table(shop),
        changes=change_table(conductor.changes, whole),
    )
    baselines: dict[Signal, Window] = dict.fromkeys((Signal.TRACES, Signal.LOGS, Signal.METRICS), baseline)
    incident = Incident(planned.id, parse_alert_body(body).alerts, window, baselines, system=shop.name)
    detail = json.dumps({"planned": planned.model_dump(mode="json", exclude_defaults=True), **notes})
    truth = {"causes": causes, "injected_at": rfc3339(phases.injected), "detail": detail}
    place = case_directory(out, planned)
    unfinished = place.with_name(f".{place.name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    write_case(unfinished, incident, body, tables, truth)
    unfinished.rename(place)


def _now() -> datetime:
    return datetime.now(UTC)
