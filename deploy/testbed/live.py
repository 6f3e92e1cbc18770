"""The whole way, live: a shop that breaks, the alert that fires, and a hypocenter that says what is broken."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from deploy.testbed.conductor import Conductor
from deploy.testbed.containers import Pod
from deploy.testbed.errors import RejectedError
from deploy.testbed.faults import cause_of, injected
from deploy.testbed.plan import Planned
from deploy.testbed.processes import answers, wait_until
from deploy.testbed.telemetry_tables import log_rows
from model_store.ports import held_ports

ALERT_LIMIT_S, START_LIMIT_S = 120.0, 40.0
ANSWER_LIMIT_S = 180.0
"""Well above the deadline of an answer (`budget.deadline_s`), which begins only when a worker takes it up."""
SHIP_S = 1.0
SEVERITIES = {"DEBUG": 5, "INFO": 9, "WARNING": 13, "ERROR": 17, "CRITICAL": 21}


@dataclass(frozen=True, slots=True)
class Pace:
    """Windows of a short life (seconds): what is under suspicion before the alert, how much before that is healthy and
    how much of it is enough, and how long the shop runs before it is broken for the first time.
    """

    lead_s: int = 30
    baseline_s: int = 75
    shortest_s: int = 30
    warm_up_s: float = 25.0

    @property
    def healthy_s(self) -> float:
        """How long the shop must have been healthy when something is broken."""
        return self.lead_s + self.baseline_s


@dataclass(frozen=True, slots=True)
class Round:
    """How one live incident went. Seconds: from the fault to the alert's start, and from the webhook to the answer."""

    planned: str
    causes: tuple[str, ...]
    ranked: tuple[str, ...]
    alert_s: float
    answer_s: float
    unresolved: bool = False

    @property
    def rank(self) -> int | None:
        """The rank of the first true cause, from 1; None if it is absent or nothing was wrong."""
        return next((number for number, name in enumerate(self.ranked, 1) if name in self.causes), None)


@dataclass(slots=True)
class LogShipper:
    """Carries what pods write to their logs to an OTLP endpoint, as a log agent would."""

    conductor: Conductor
    url: str
    _read: dict[str, int] = field(default_factory=dict[str, int])
    _next_s: float = 0

    def ship(self) -> None:
        """Sends what is new, once a second; what cannot be sent now is sent later."""
        if time.monotonic() < self._next_s:
            return
        self._next_s = time.monotonic() + SHIP_S
        resources, ends = [], dict[str, int]()
        for pod, path in self.conductor.log_files():
            with path.open("rb") as file:
                file.seek(self._read.get(pod.name, 0))
                whole = file.read().rpartition(b"\n")[0]
            ends[pod.name] = self._read.get(pod.name, 0) + len(whole) + (1 if whole else 0)
            if records := [_record(*row) for row in log_rows(whole.decode(errors="replace"))]:
                resources.append(self._resource(pod, records))
        with contextlib.suppress(httpx.HTTPError):
            if resources:
                httpx.post(f"{self.url}/v1/logs", json={"resourceLogs": resources}, timeout=5).raise_for_status()
            self._read = ends

    def _resource(self, pod: Pod, records: list[dict[str, object]]) -> dict[str, object]:
        told = {"service.name": pod.service, "k8s.pod.name": pod.name, "k8s.node.name": pod.node}
        attributes = [{"key": key, "value": {"stringValue": value}} for key, value in told.items()]
        return {"resource": {"attributes": attributes}, "scopeLogs": [{"logRecords": records}]}


def _record(at: datetime, severity: str, body: str, trace_id: str, span_id: str) -> dict[str, object]:
    return {
        "timeUnixNano": str(round(at.timestamp() * 1e6) * 1000),
        "severityText": severity,
        "severityNumber": SEVERITIES.get(severity, 0),
        "body": {"stringValue": body},
        "traceId": trace_id,
        "spanId": span_id,
    }


@contextlib.contextmanager
def live_shop(shop: str, model: str, pace: Pace, say: Callable[[str], None]) -> Iterator[tuple[Conductor, LogShipper]]:
    """A shop, warmed up, and a hypocenter that takes its spans, logs, changes and alerts, and asks its Prometheus."""
    with held_ports(1) as (port,):
        url = f"http://127.0.0.1:{port}"
        say(f"starting {shop} and hypocenter at {url}")
        with Conductor(shop, hypocenter=url) as conductor:
            _start_hypocenter(conductor, port, model, pace)
            shipper = LogShipper(conductor, url)
            conductor.run(pace.warm_up_s, each=shipper.ship)
            yield conductor, shipper


def _start_hypocenter(conductor: Conductor, port: int, model: str, pace: Pace) -> None:
    directory: Path = conductor.directory
    settings = {
        "PORT": port, "STORE": directory / "hypocenter.sqlite", "TELEMETRY__EMBEDDED": directory / "telemetry",
        "METRICS__KIND": "prometheus", "METRICS__URL": f"http://127.0.0.1:{conductor.ports['prometheus']}",
        "METRICS__STEP_S": 5, "WINDOWS__LEAD_S": pace.lead_s, "WINDOWS__BASELINE_S": pace.baseline_s,
        "WINDOWS__SHORTEST_BASELINE_S": pace.shortest_s, "MODEL__NAME": model,
    }  # fmt: skip
    environment = {f"HYPOCENTER_{name}": str(value) for name, value in settings.items()}
    process = conductor.processes.start(
        "hypocenter", (sys.executable, "-m", "service", "serve"), environment=environment
    )
    wait_until(answers(port), process, START_LIMIT_S)


def play(conductor: Conductor, shipper: LogShipper, planned: Planned, pace: Pace, say: Callable[[str], None]) -> Round:
    """Waits until the shop has been healthy for long enough, breaks what is planned, and waits for the answer.

    Raises `RejectedError` if none comes.
    """
    say(f"{planned.id}: the shop is healthy for {pace.healthy_s:.0f} s, to compare with")
    conductor.run(pace.healthy_s, each=shipper.ship)
    active = planned.doings()
    causes = tuple(str(cause_of(conductor, told)["name"]) for told in planned.faults)
    known = {incident["id"] for incident in _incidents(conductor)}
    begun_s, told = time.time(), len(conductor.changes)
    with injected(conductor, active):

        def keep_up() -> None:
            nonlocal told
            shipper.ship()
            told = _announce(conductor, told)
            for fault in active:
                fault.tick(conductor)

        say(f"{planned.id}: broken on purpose: {', '.join(causes) or 'nothing'}")
        if not conductor.run(ALERT_LIMIT_S, until=lambda: _sent_s(conductor, begun_s) is not None, each=keep_up):
            raise RejectedError(f"{planned.id}: no alert within {ALERT_LIMIT_S:.0f} s")
        answer: dict[str, Any] = {}

        def answered() -> bool:
            answer.update(_answer(conductor, known))
            return bool(answer)

        if not conductor.run(ANSWER_LIMIT_S, until=answered, each=keep_up):
            raise RejectedError(f"{planned.id}: no answer within {ANSWER_LIMIT_S:.0f} s")
        done_s = time.time()
    sent_s = _sent_s(conductor, begun_s) or begun_s
    ranked = tuple(dict.fromkeys(cause["component"]["name"] for cause in answer["causes"]))
    alert_s, answer_s = round(sent_s - begun_s, 1), round(done_s - sent_s, 2)
    return Round(planned.id, causes, ranked, alert_s, answer_s, answer["unresolved"])


def _sent_s(conductor: Conductor, since_s: float) -> float | None:
    return next((came.at_s for came in conductor.intake.notified if came.at_s >= since_s and came.firing), None)


def _announce(conductor: Conductor, told: int) -> int:
    """Tells hypocenter of changes that it has not heard of; answers how many it knows now."""
    for change in conductor.changes[told:]:
        body = {
            "time": change.at.isoformat(),
            "service": change.service,
            "kind": change.kind,
            "summary": change.summary,
        }
        httpx.post(f"{conductor.hypocenter}/v1/changes", json=body, timeout=5).raise_for_status()
    return len(conductor.changes)


def _incidents(conductor: Conductor) -> list[dict[str, Any]]:
    return httpx.get(f"{conductor.hypocenter}/v1/incidents", timeout=5).raise_for_status().json()["incidents"]


def _answer(conductor: Conductor, known: set[str]) -> dict[str, Any]:
    """The first finished localization of an incident that is new; {} if there is none yet."""
    for incident in _incidents(conductor):
        if incident["id"] not in known and incident["localizations"]:
            reference = incident["localizations"][0]["id"]
            url = f"{conductor.hypocenter}/v1/localizations/{reference}"
            told = httpx.get(url, timeout=5).raise_for_status().json()
            if told["status"] == "done":
                return told
    return {}
