"""Making evidence rows out of shifts."""

from collections.abc import Callable, Iterator

import numpy as np

from service.domain.component import Component
from service.domain.evidence import Evidence, EvidenceKind, Signal
from service.evidence.constants import SCORE_LIMIT, SUBJECT_LENGTH
from service.evidence.redaction import one_line
from service.evidence.strata import Shift


def shift_rows(
    shift: Shift,
    signal: Signal,
    describe: Callable[[int, float], tuple[EvidenceKind, Component, str, str] | None],
    unit: str,
    whole: float,
    usual: float,
) -> Iterator[Evidence]:
    """A row for each group of a shift that can be compared, worst first.

    ``describe(group, score)`` names kind, component, subject and what it is given, or None if the group says nothing.
    ``whole`` is what impact is a part of: the time of all requests now, or their number; ``usual`` by how much such
    groups move where nothing is wrong.
    """
    scores = shift.score
    for group in np.argsort(-np.abs(np.nan_to_num(scores)), kind="stable"):
        score = float(scores[group])
        if not np.isfinite(score):
            continue
        if (described := describe(int(group), score)) is None:
            continue
        kind, component, subject, given = described
        yield Evidence(
            id="",
            signal=signal,
            kind=kind,
            component=component,
            subject=one_line(subject, SUBJECT_LENGTH),
            given=one_line(given, SUBJECT_LENGTH),
            score=min(abs(score), SCORE_LIMIT),
            now=float(shift.now[group]),
            before=float(shift.before[group]),
            unit=unit,
            n_now=int(shift.n_now[group]),
            n_before=int(shift.n_before[group]),
            shift=float(shift.moved[group]),
            error=float(shift.error[group]),
            usual=usual if shift.usual is None else usual * float(shift.usual[group]),
            impact=abs(float(shift.now[group] - shift.before[group])) * int(shift.n_now[group]) / max(whole, 1.0),
        )
