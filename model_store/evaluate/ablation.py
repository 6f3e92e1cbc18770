"""What each kind of evidence is worth: the statistical rank without it, and with nothing else."""

from dataclasses import replace

from service.domain.evidence import EvidenceKind
from service.view.view import View

KINDS: dict[str, frozenset[EvidenceKind]] = {
    "latency": frozenset({EvidenceKind.LATENCY, EvidenceKind.SELF_TIME}),
    "gap": frozenset({EvidenceKind.GAP}),
    "structure": frozenset({EvidenceKind.LOST_CALL, EvidenceKind.NEW_CALL, EvidenceKind.CALLS}),
    "errors": frozenset({EvidenceKind.ERROR_SHARE}),
    "traffic": frozenset({EvidenceKind.TRAFFIC, EvidenceKind.SILENCE}),
    "metrics": frozenset({EvidenceKind.METRIC}),
    "logs": frozenset({EvidenceKind.LOG_NEW, EvidenceKind.LOG_GONE, EvidenceKind.LOG_MORE, EvidenceKind.LOG_LESS}),
    "changes": frozenset({EvidenceKind.CHANGE}),
}
"""Every kind of evidence is in exactly one of these."""


def without(view: View, name: str) -> View:
    """The view with that kind of evidence gone."""
    return replace(view, evidence=tuple(e for e in view.evidence if e.kind not in KINDS[name]))


def only(view: View, name: str) -> View:
    """The view with nothing but that kind of evidence."""
    return replace(view, evidence=tuple(e for e in view.evidence if e.kind in KINDS[name]))
