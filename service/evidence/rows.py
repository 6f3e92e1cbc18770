"""Making evidence rows out of shifts."""

from collections.abc import Callable, Iterator

import numpy as np

from service.domain.component import Component
from service.domain.evidence import Evidence, EvidenceKind, Signal
from service.evidence.constants import SCORE_SHOWN, SUBJECT_LENGTH
from service.evidence.redaction import one_line
from service.evidence.strata import Shift


def shift_rows(
    shift: Shift,
    signal: Signal,
    describe: Callable[[int, float], tuple[EvidenceKind, Component, str, str] | None],
    unit: str,
    whole: float,
) -> Iterator[Evidence]:
    """A row for each group of a shift that moved enough, worst first.

    ``describe(group, score)`` names kind, component, subject and what it is given, or None if the group says nothing.
    ``whole`` is what impact is a part of: the time of all requests now, or their number.
    """
    scores = np.nan_to_num(shift.score)
    for group in np.argsort(-np.abs(scores), kind="stable"):
        score = float(scores[group])
        if abs(score) < SCORE_SHOWN:
            return
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
            score=abs(score),
            now=float(shift.now[group]),
            before=float(shift.before[group]),
            unit=unit,
            n_now=int(shift.n_now[group]),
            n_before=int(shift.n_before[group]),
            impact=abs(float(shift.now[group] - shift.before[group])) * int(shift.n_now[group]) / max(whole, 1.0),
        )
