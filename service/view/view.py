from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from service.domain.component import Component
from service.domain.evidence import Evidence, Signal
from service.domain.graph import ServiceGraph
from service.domain.incident import Incident
from service.evidence.tables import Tables


@dataclass(frozen=True, slots=True)
class View:
    """What one incident can see: what was fetched, and the evidence computed once from it.

    ``evidence`` is in the order of effect, largest first; ids are "e0", "e1", … in that order. ``notes`` are lines
    about what is missing or partial. ``onset`` is estimated from the telemetry; None if nothing tells. ``calls`` are
    those (caller, callee) that traces show since the onset, whether they are worse or not. ``new_pods`` are the pods
    without a past of each service that runs others beside them, worse than those or not.
    """

    incident: Incident
    tables: Tables
    graph: ServiceGraph
    evidence: tuple[Evidence, ...]
    onset: datetime | None
    notes: tuple[str, ...] = ()
    calls: frozenset[tuple[str, str]] = frozenset()
    new_pods: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])

    def of(self, component: Component, signal: Signal | None = None) -> tuple[Evidence, ...]:
        """Evidence about a component (its pods and the edges into it are its own), worst first."""
        return tuple(
            e
            for e in self.evidence
            if self.graph.owner(e.component) == component and (signal is None or e.signal == signal)
        )

    def row(self, evidence_id: str) -> Evidence | None:
        """The evidence of that id."""
        return next((e for e in self.evidence if e.id == evidence_id), None)
