"""An incident's evidence as numbers: a vector a row, and one for the whole incident."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from service.domain.component import Component, ComponentKind
from service.domain.evidence import Evidence, EvidenceKind
from service.evidence import metric_class as classes
from service.grader.truth import Truth, true_components
from service.view.view import View

Floats = npt.NDArray[np.float64]

METRIC_CLASSES = (
    *(classes.CPU, classes.MEMORY, classes.DISK, classes.NETWORK, classes.LATENCY, classes.ERROR),
    *(classes.TRAFFIC, classes.RESTART, classes.POOL, classes.OTHER),
)
OF_ROW = (
    *(f"kind {kind.value}" for kind in EvidenceKind),
    *(f"about {kind.value}" for kind in ComponentKind),
    *(f"metric {name}" for name in METRIC_CLASSES),
    *("score", "|ln ratio|", "ln impact", "no impact", "rising", "ln n now", "ln n before", "error or warning"),
)
"""The features of a row of evidence."""

OF_INCIDENT = (
    *("ln rows", "ln rows a service", "ln services", "calls a service", "services a node", "no onset"),
    *(f"services with {kind.value}" for kind in EvidenceKind),
    *(f"best {kind.value}" for kind in EvidenceKind),
    *(f"{name} among metrics" for name in METRIC_CLASSES),
    *("true: place of first row", "true: share of rows", "true: nothing"),
)
"""The features of an incident; those of the truth are 0 where nothing was wrong."""

SET_UP = frozenset(
    [
        *("ln n now", "ln n before", "ln services", "calls a service", "services a node"),
        *(f"{name} among metrics" for name in METRIC_CLASSES),
    ]
)
"""What says how a system is built and measured, not how it behaves. A handful of recorded systems are a handful of
points there, which any classifier learns by heart, however wide the simulated ones are spread around them.
"""

_SMALLEST, _LARGEST = 1e-6, 1e9


@dataclass(frozen=True, slots=True)
class Described:
    """One incident: ``rows`` (rows, `OF_ROW`), ``whole`` (`OF_INCIDENT`)."""

    system: str
    rows: Floats
    whole: Floats


def describe(view: View, truth: Truth) -> Described:
    """What the evidence of a view looks like."""
    rows = np.array([_of_row(row) for row in view.evidence]).reshape(-1, len(OF_ROW))
    whole = np.array([*_of_graph(view), *_of_kinds(view), *_of_metrics(view.evidence), *_of_truth(view, truth)])
    return Described(view.incident.system, rows, whole)


def _of_row(row: Evidence) -> list[float]:
    metric = classes.metric_class(row.subject, row.unit) if row.kind is EvidenceKind.METRIC else ""
    before = row.now if row.before is None else row.before
    ratio = np.clip(abs(row.now), _SMALLEST, _LARGEST) / np.clip(abs(before), _SMALLEST, _LARGEST)
    return [
        *(float(row.kind is kind) for kind in EvidenceKind),
        *(float(row.component.kind is kind) for kind in ComponentKind),
        *(float(metric == name) for name in METRIC_CLASSES),
        row.score,
        abs(float(np.log(ratio))),
        float(np.log(np.clip(row.impact or 0.0, 1e-4, 1e4))),
        float(row.impact is None),
        float(row.rising),
        float(np.log1p(row.n_now)),
        float(np.log1p(row.n_before)),
        float(row.severity in ("error", "warn")),
    ]


def _of_graph(view: View) -> list[float]:
    graph, rows = view.graph, len(view.evidence)
    services = max(len(graph.services), 1)
    return [
        float(np.log1p(rows)),
        float(np.log1p(rows / services)),
        float(np.log(services)),
        len(graph.calls) / services,
        services / max(len(graph.nodes()), 1),
        float(view.onset is None),
    ]


def _of_kinds(view: View) -> list[float]:
    owners: dict[EvidenceKind, set[Component]] = {kind: set() for kind in EvidenceKind}
    best = dict.fromkeys(EvidenceKind, 0.0)
    for row in view.evidence:
        owners[row.kind].add(view.graph.owner(row.component))
        best[row.kind] = max(best[row.kind], row.score)
    services = max(len(view.graph.services), 1)
    return [*(len(owners[kind]) / services for kind in EvidenceKind), *best.values()]


def _of_metrics(evidence: Sequence[Evidence]) -> list[float]:
    found = [classes.metric_class(row.subject, row.unit) for row in evidence if row.kind is EvidenceKind.METRIC]
    return [found.count(name) / max(len(found), 1) for name in METRIC_CLASSES]


def _of_truth(view: View, truth: Truth) -> list[float]:
    wanted = true_components(truth, view.graph)
    if not wanted:
        return [0.0, 0.0, 0.0]
    places = [place for place, row in enumerate(view.evidence) if view.graph.owner(row.component) in wanted]
    rows = max(len(view.evidence), 1)
    return [(places[0] if places else rows) / rows, len(places) / rows, float(not places)]
