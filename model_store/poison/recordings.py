"""The incident that is poisoned: its alert and tables as they came, before anything was made harmless."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from model_store.simulate.generate import SyntheticCase
from service.domain.component import service
from service.domain.incident import Incident
from service.errors import CaseError
from service.evidence.redaction import redact
from service.evidence.templates import mine_templates
from service.ports import CHANGES, Telemetry
from service.rank import statistical
from service.stores.alert_body import AlertGroup, alert_body, parse_alert_body
from service.stores.case_files import read_incident, read_table
from service.stores.case_tables import SCHEMAS, CaseTables
from service.stores.memory import InMemoryTelemetry
from service.view.view import View

_compute: Any = pc
_CHANGED_BEFORE = timedelta(minutes=20)


@dataclass(frozen=True, slots=True)
class Recording:
    """One incident as strangers told it; ``old_names`` says what components were called before they were renamed."""

    incident: Incident
    alert_body: Mapping[str, object]
    tables: Mapping[str, pa.Table]
    old_names: Mapping[str, str] = field(default_factory=dict[str, str])

    def told(self) -> Incident:
        """What a responder is given: the alert as the webhook's parser leaves it."""
        return replace(self.incident, alerts=parse_alert_body(self.alert_body).alerts)

    def telemetry(self) -> Telemetry:
        """Stores that answer from the tables, with what every store does to strangers' names."""
        return InMemoryTelemetry(CaseTables(**self.tables)).telemetry

    def with_table(self, name: str, table: pa.Table, **names: Mapping[str, str]) -> "Recording":
        """The same with another table."""
        return replace(self, tables={**self.tables, name: table}, **names)


def recorded(directory: Path) -> Recording:
    """The case of a directory. Raises `CaseError` if it cannot be read or has no spans and lines to poison."""
    incident = read_incident(directory)
    found = {name: directory / f"{name}.parquet" for name in SCHEMAS}
    tables = {name: read_table(path, SCHEMAS[name]) for name, path in found.items() if path.exists()}
    if not incident.alerts or not all(len(tables.get(name, ())) for name in ("spans", "logs", "metrics")):
        raise CaseError(f"{directory}: has no alert, or lacks spans, lines or samples that could be poisoned")
    return _with_a_change(Recording(incident, alert_body(AlertGroup("{}", "firing", incident.alerts)), tables))


def simulated(case: SyntheticCase) -> Recording:
    """A synthetic incident. Raises `CaseError` if it has no spans, lines or samples to poison."""
    return _with_a_change(Recording(case.incident, case.alert_body, case.tables.present()))


def _with_a_change(recording: Recording) -> Recording:
    """There has to be a change whose summary can be replaced."""
    if len(recording.tables.get("changes", ())):
        return recording
    changed: Any = recording.tables["spans"]["service"][0].as_py()
    at = recording.incident.alerted_at - _CHANGED_BEFORE
    row = {"time": at, "service": changed, "kind": "config", "summary": "replicas 2 → 3"}
    return recording.with_table("changes", pa.Table.from_pylist([row], schema=CHANGES))


@dataclass(frozen=True, slots=True)
class Roles:
    """Who plays whom: an innocent ``emitter`` that adds rows, an innocent ``target`` that poisons blame, and what bears
    poisons in its place: ``named`` (the most suspect service, a pod and a node of it), some ``lines`` (a mask;
    ``few_lines`` where the text is long) and an ``operation``.
    """

    emitter: str
    target: str
    named: Mapping[str, str]
    lines: Any
    few_lines: Any
    operation: str

    @classmethod
    def of(cls, recording: Recording, view: View) -> "Roles":
        """Cast by the clean view: the last of the statistical rank are innocent, the first is not."""
        suspicion = {suspect.component: suspect.score for suspect in statistical.rank(view)}
        writing = _compute.unique(recording.tables["logs"]["service"]).to_pylist()
        alerting = view.incident.alerting_services
        tracing = set(_compute.unique(recording.tables["spans"]["service"]).to_pylist())
        able = [name for name in writing if name in tracing and name not in alerting]
        innocent = sorted(able, key=lambda name: (suspicion.get(service(name), 0.0), name))
        lines, few = _templates(recording.tables["logs"], view)
        guilty = innocent[-1]
        pods = [pod for pod, owner in view.graph.pods.items() if owner == guilty]
        named = {
            "service": guilty,
            "pod": next(iter(pods), ""),
            "node": next(iter(view.graph.hosts.get(guilty, ())), ""),
        }
        return cls(innocent[0], innocent[1], named, lines, few, _usual_operation(recording.tables["spans"], guilty))


def _usual_operation(spans: pa.Table, owner: str) -> str:
    own = spans.filter(_compute.equal(spans["service"], owner))
    counts = _compute.value_counts(own["operation"]).to_pylist()
    return str(max(counts, key=lambda found: found["counts"])["values"])


def _templates(logs: pa.Table, view: View) -> tuple[Any, Any]:
    """All lines of the template with the strongest evidence (without any, of the commonest), and of the rarest."""
    mined = mine_templates(logs)
    codes = pa.array(mined.code)
    counts = sorted((found["counts"], found["values"]) for found in _compute.value_counts(codes).to_pylist())
    told = [e.subject for e in view.evidence if e.kind.value.startswith("log-")]
    subjects = {redact(text, len(told[0]) if told else 0): code for code, text in enumerate(mined.texts)}
    strongest = next((subjects[subject] for subject in told if subject in subjects), counts[-1][1])
    return _compute.equal(codes, strongest), _compute.equal(codes, counts[0][1])
