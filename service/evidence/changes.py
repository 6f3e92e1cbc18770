"""Deployments, configuration, scaling and restarts near the onset."""

from collections.abc import Collection

import numpy as np
import pyarrow as pa

from service.domain.component import Component, ComponentKind, service
from service.domain.evidence import Evidence, EvidenceKind, Signal
from service.evidence.constants import CHANGE_HORIZON_S, EXAMPLE_LENGTH, SUBJECT_LENGTH
from service.evidence.redaction import redact

_NEAREST, _FARTHEST = 10.0, 2.0
"""Scores of a change at the onset and an hour before."""


def nearness(change: Evidence) -> float:
    """How near the onset a change came, 0 (an hour before) to 1."""
    return (change.score - _FARTHEST) / (_NEAREST - _FARTHEST)


def change_evidence(
    changes: pa.Table, alerted_at_us: int, onset_us: int | None, nodes: Collection[str] = ()
) -> list[Evidence]:
    """A row for each change in the hour before the onset (or, as an onset is an estimate, up to a minute after it): of
    one of the ``nodes`` where it bears the name of one, else of a service.

    The score falls from 10 at the onset to 2 an hour before: when two things happen together, one may be why.
    `nearness` reads it back.
    """
    reference = alerted_at_us if onset_us is None else onset_us
    times = np.asarray(changes["time"].cast(pa.int64()))
    ages_s = (reference - times) / 1e6
    rows: list[Evidence] = []
    for position in np.flatnonzero((ages_s <= CHANGE_HORIZON_S) & (ages_s >= -60)):
        name, kind, summary = (str(changes[c][int(position)].as_py()) for c in ("service", "kind", "summary"))
        near = 1 - np.sqrt(max(float(ages_s[position]), 0.0) / CHANGE_HORIZON_S)
        rows.append(
            Evidence(
                id="",
                signal=Signal.CHANGES,
                kind=EvidenceKind.CHANGE,
                component=Component(ComponentKind.NODE, name) if name in nodes else service(name),
                subject=redact(kind, SUBJECT_LENGTH),
                example=redact(summary, EXAMPLE_LENGTH),
                score=_FARTHEST + (_NEAREST - _FARTHEST) * float(near),
                now=1.0,
                unit="event",
                n_now=1,
                began_s=float((times[position] - alerted_at_us) / 1e6),
            )
        )
    return rows
