"""What each part of the evidence is worth: the statistical rank without it, and with one kind of rows alone."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from service.domain.component import ComponentKind
from service.domain.evidence import LOG_KINDS, Evidence, EvidenceKind, Signal
from service.evidence.assess import assess_since, near_stretch
from service.evidence.instances import SIBLINGS
from service.evidence.onset import estimate_onset
from service.evidence.reading import read
from service.view.view import View

KINDS: dict[str, frozenset[EvidenceKind]] = {
    "latency": frozenset({EvidenceKind.LATENCY, EvidenceKind.SELF_TIME}),
    "gap": frozenset({EvidenceKind.GAP}),
    "structure": frozenset({EvidenceKind.LOST_CALL, EvidenceKind.NEW_CALL, EvidenceKind.CALLS}),
    "errors": frozenset({EvidenceKind.ERROR_SHARE}),
    "traffic": frozenset({EvidenceKind.TRAFFIC, EvidenceKind.SILENCE}),
    "metrics": frozenset({EvidenceKind.METRIC}),
    "logs": LOG_KINDS,
    "changes": frozenset({EvidenceKind.CHANGE}),
}
"""Every kind of evidence is in exactly one of these."""


def without(kinds: frozenset[EvidenceKind], view: View) -> View:
    """The view with those kinds of evidence gone."""
    return replace(view, evidence=tuple(e for e in view.evidence if e.kind not in kinds))


def only(kinds: frozenset[EvidenceKind], view: View) -> View:
    """The view with nothing but those kinds of evidence."""
    return replace(view, evidence=tuple(e for e in view.evidence if e.kind in kinds))


def without_instances(view: View) -> View:
    """As if no pod were compared with its siblings; series of pods with a past are compared with that."""

    def kept(e: Evidence) -> bool:
        return e.given != SIBLINGS and (e.component.kind is not ComponentKind.POD or e.signal is Signal.METRICS)

    return replace(view, evidence=tuple(e for e in view.evidence if kept(e)), new_pods={})


def without_near_time(view: View) -> View:
    """As if there were no time just before the onset to compare with."""
    reading = read(view.tables, view.graph)
    assessment = assess_since(view.tables, reading, estimate_onset(reading), None)
    return replace(view, evidence=assessment.evidence, calls=assessment.calls)


def without_onset(view: View) -> View:
    """As if all of the window were after the onset."""
    reading = read(view.tables, view.graph)
    onset = replace(estimate_onset(reading), earliest_s=-math.inf, early_s=-math.inf)
    assessment = assess_since(view.tables, reading, onset, near_stretch(reading, onset))
    return replace(view, evidence=assessment.evidence, calls=assessment.calls)


ABLATIONS: Mapping[str, Callable[[View], View]] = {
    **{f"without {name}": partial(without, kinds) for name, kinds in KINDS.items()},
    "without instances": without_instances,
    "without the near time": without_near_time,
    "without the onset": without_onset,
    **{f"only {name}": partial(only, kinds) for name, kinds in KINDS.items()},
}
"""What is left of a view, by the name of its row."""
