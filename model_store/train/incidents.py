"""An incident as it is trained on: what a localization reads of its view, and the truth; no telemetry."""

from dataclasses import dataclass, replace
from datetime import datetime

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from service.domain.evidence import Evidence
from service.domain.graph import ServiceGraph
from service.domain.incident import Incident
from service.evidence.tables import Compared, Tables
from service.grader.truth import Truth
from service.ports import CHANGES, LOGS, METRICS, SPANS, TOPOLOGY
from service.view.view import View


@dataclass(frozen=True, slots=True)
class PooledIncident:
    """One incident of a pool: ``key`` is its name there, ``family`` the kind of system that it comes from."""

    key: str
    family: str
    view: View
    truth: Truth

    @property
    def faults(self) -> tuple[str, ...]:
        """The kinds of fault that are true, in their alphabet's order; none where nothing was wrong."""
        return tuple(sorted({cause.fault.value for cause in self.truth.causes}))


def stripped(view: View) -> View:
    """The view without telemetry: tables that were there are there, without rows. It localizes as it did before."""
    tables = view.tables
    empty = Tables(
        alerted_at=tables.alerted_at,
        spans=_emptied(tables.spans, SPANS),
        logs=_emptied(tables.logs, LOGS),
        metrics=_emptied(tables.metrics, METRICS),
        changes=None if tables.changes is None else CHANGES.empty_table(),
        topology=None if tables.topology is None else TOPOLOGY.empty_table(),
        alerting=tables.alerting,
    )
    return replace(view, tables=empty)


def to_bytes(incident: PooledIncident) -> bytes:
    """A pooled incident as JSON; the same incident gives the same bytes."""
    view, graph = incident.view, incident.view.graph
    there = {name: getattr(view.tables, name) for name in _COMPARED}
    stored = _Stored(
        key=incident.key,
        family=incident.family,
        truth=incident.truth,
        incident=view.incident,
        services=graph.services,
        calls=sorted(graph.calls),
        pods=dict(graph.pods),
        hosts=dict(graph.hosts),
        evidence=view.evidence,
        onset=view.onset,
        notes=view.notes,
        called=sorted(view.calls),
        new_pods={name: sorted(pods) for name, pods in view.new_pods.items()},
        alerted_at=view.tables.alerted_at,
        baseline={name: table.before is not None for name, table in there.items() if table is not None},
        changes=view.tables.changes is not None,
        topology=view.tables.topology is not None,
        alerting=view.tables.alerting,
    )
    return stored.model_dump_json().encode()


def from_bytes(stored: bytes) -> PooledIncident:
    """The incident of these bytes; its tables are empty."""
    s = _Stored.model_validate_json(stored)
    compared = {name: _compared(s.baseline.get(name), schema) for name, schema in _COMPARED.items()}
    tables = Tables(
        alerted_at=s.alerted_at,
        **compared,
        changes=CHANGES.empty_table() if s.changes else None,
        topology=TOPOLOGY.empty_table() if s.topology else None,
        alerting=s.alerting,
    )
    graph = ServiceGraph(s.services, frozenset(s.calls), s.pods, s.hosts)
    new_pods = {name: frozenset(pods) for name, pods in s.new_pods.items()}
    view = View(s.incident, tables, graph, s.evidence, s.onset, s.notes, frozenset(s.called), new_pods)
    return PooledIncident(s.key, s.family, view, s.truth)


class _Stored(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    key: str
    family: str
    truth: Truth
    incident: Incident
    services: tuple[str, ...]
    calls: list[tuple[str, str]]
    pods: dict[str, str]
    hosts: dict[str, tuple[str, ...]]
    evidence: tuple[Evidence, ...]
    onset: datetime | None
    notes: tuple[str, ...]
    called: list[tuple[str, str]] = Field(default_factory=list[tuple[str, str]])  # older pools have neither
    new_pods: dict[str, list[str]] = Field(default_factory=dict[str, list[str]])
    alerted_at: datetime
    baseline: dict[str, bool]  # of each signal that was recorded: is there a baseline
    changes: bool
    topology: bool
    alerting: tuple[str, ...]


_COMPARED = {"spans": SPANS, "logs": LOGS, "metrics": METRICS}


def _emptied(table: Compared | None, schema: pa.Schema) -> Compared | None:
    return None if table is None else _compared(table.before is not None, schema)


def _compared(baseline: bool | None, schema: pa.Schema) -> Compared | None:
    """A signal without rows; None where it was not recorded at all."""
    if baseline is None:
        return None
    return Compared(schema.empty_table(), schema.empty_table() if baseline else None)
