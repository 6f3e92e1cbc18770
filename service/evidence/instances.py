"""Pods beside the other pods of their service: a replica that is sick, a version that is worse than the one before it.

A row about a pod says how much further it moved from the baseline than its siblings did. A pod without a past of its
own is compared with the past of its service, and its siblings are those that have one. Which pods are of a new version
is known by that alone, never by their names.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from service.domain.component import Component, ComponentKind
from service.domain.evidence import LOG_KINDS, Evidence, EvidenceKind, Signal
from service.evidence.constants import MEDIAN, USUAL_SHARE, USUAL_TIME
from service.evidence.lineage import Bools, Ints
from service.evidence.rows import shift_rows
from service.evidence.spans import Spans, combine
from service.evidence.strata import Shift, share_shift, time_shift

SIBLINGS = "the other pods of its service"
"""What such rows are given."""


def instance_evidence(spans: Spans) -> Iterator[Evidence]:
    """Rows of kind self-time, gap (the wait on calls that the pod answers) and error-share, of single pods of services
    that run in several pods now.
    """
    single = _single(spans)
    if not single.any():
        return
    bare = spans.called >= 0
    yield from _times(spans, np.flatnonzero(single & ~bare), spans.pod, EvidenceKind.SELF_TIME)
    answering = np.where(spans.callee >= 0, spans.pod[spans.callee], 0)
    answered = (spans.callee >= 0) & single[spans.callee]
    yield from _times(spans, np.flatnonzero(answered), answering, EvidenceKind.GAP)
    yield from _errors(spans, np.flatnonzero(single & ~bare))


def runs(spans: Spans) -> Iterator[tuple[str, str, bool]]:
    """Service and pod of the spans, and whether it is now, each once."""
    for owner, pod, now in np.unique(np.stack([spans.service, spans.pod, spans.now]), axis=1).T.tolist():
        yield spans.services[owner], spans.pods[pod], bool(now)


def new_pods(seen: Iterable[tuple[str, str, bool]]) -> dict[str, frozenset[str]]:
    """Of (service, pod, whether now): the pods that have no past, of each service that now runs others beside them."""
    now: dict[str, set[str]] = {}
    past: set[str] = set()
    for owner, pod, is_now in seen:
        if pod and is_now:
            now.setdefault(owner, set()).add(pod)
        elif pod:
            past.add(pod)
    return {owner: frozenset(pods - past) for owner, pods in now.items() if pods & past and pods - past}


def of_new_pods(spans: Spans, new: Mapping[str, frozenset[str]]) -> Bools:
    """Of each span whether it ran in one of these pods."""
    names = frozenset[str]().union(*new.values())
    return np.array([name in names for name in spans.pods], bool)[spans.pod]


def version_rows(rows: Iterable[Evidence], new: Mapping[str, frozenset[str]], spans: Spans) -> Iterator[Evidence]:
    """Of the rows that compare new pods with others those that say what executions no longer do, or do now, in
    the new ones of a service; told of the pod that was seen first.
    """
    first = {owner: next(name for name in spans.pods if name in pods) for owner, pods in new.items()}
    for row in rows:
        if row.kind in _FOLLOWING and row.component.kind is ComponentKind.SERVICE and row.component.name in first:
            yield replace(row, component=Component(ComponentKind.POD, first[row.component.name]))


_FOLLOWING = frozenset({EvidenceKind.LOST_CALL, EvidenceKind.NEW_CALL, EvidenceKind.CALLS}) | LOG_KINDS
"""Times and errors are compared pod by pod."""


def _single(spans: Spans) -> Bools:
    """Of each span whether it ran in a pod of one service alone that has several pods now."""
    pods, services = np.unique(np.stack([spans.pod, spans.service]), axis=1)
    known = np.array([bool(name) for name in spans.pods])
    of_one = known & (np.bincount(pods, minlength=len(known)) == 1)
    running = np.bincount(spans.pod[spans.now], minlength=len(known)) > 0
    number = np.bincount(services[(of_one & running)[pods]], minlength=len(spans.services))
    return of_one[spans.pod] & (number[spans.service] > 1)


def _times(spans: Spans, rows: Ints, pod: Ints, kind: EvidenceKind) -> Iterator[Evidence]:
    """How long something takes in each pod; ``pod`` has for each span the pod that it is about."""
    if not len(rows):
        return
    # A wait is one's own by whom it waits for, whatever the call is named.
    subject = spans.operation[rows] if kind is EvidenceKind.SELF_TIME else combine(spans.service, spans.called)[rows]
    step, above, place = spans.step[rows], spans.above[rows] + 1, pod[rows]
    context = combine(spans.entry[rows], above, step)
    groups, first, group = np.unique(np.stack([subject, place]), axis=1, return_index=True, return_inverse=True)
    shift = time_shift(
        spans.now[rows],
        group.ravel(),
        [combine(context, place), context, combine(above, step), step],
        spans.self_us[rows].astype(np.float64),
        spans.resolution_us,
        at=MEDIAN,
    )
    yield from _rows(spans, _beside_siblings(shift, groups, _has_past(spans, pod, rows)), groups[1], rows[first], kind)


def _errors(spans: Spans, rows: Ints) -> Iterator[Evidence]:
    """Failed executions below which nothing failed, of each pod."""
    if not spans.error[rows].any():
        return
    origin = spans.origins
    place, above, operation = spans.pod[rows], spans.above[rows] + 1, spans.operation[rows]
    context = combine(spans.entry[rows], above, operation)
    groups, first, group = np.unique(np.stack([operation, place]), axis=1, return_index=True, return_inverse=True)
    strata = [combine(context, place), context, combine(above, operation), operation]
    shift = share_shift(spans.now[rows], origin[rows], group.ravel(), strata)
    past = _has_past(spans, spans.pod, rows)
    yield from _rows(spans, _beside_siblings(shift, groups, past), groups[1], rows[first], EvidenceKind.ERROR_SHARE)


def _has_past(spans: Spans, pod: Ints, rows: Ints) -> Bools:
    """Which pods have executions in the baseline."""
    return np.bincount(pod[rows][~spans.now[rows]], minlength=len(spans.pods)) > 0


def _beside_siblings(shift: Shift, groups: Ints, has_past: Bools) -> Shift:
    """Of each group (a column of subject and pod) what its siblings moved by is taken off, as far as that goes; nan
    where there is none to compare with.
    """
    moved, error = np.full(len(shift.moved), np.nan), shift.error.copy()
    subjects, pods = groups
    comparable = np.flatnonzero(np.isfinite(shift.moved))
    order = comparable[np.argsort(subjects[comparable], kind="stable")]
    for family in np.split(order, np.flatnonzero(np.diff(subjects[order])) + 1):
        old = family[has_past[pods[family]]]
        for one in family:
            siblings = old[old != one] if len(old) > (one in old) else family[family != one]
            if len(siblings):
                most = abs(shift.moved[one])
                moved[one] = shift.moved[one] - np.clip(np.median(shift.moved[siblings]), -most, most)
                error[one] = np.hypot(shift.error[one], np.median(shift.error[siblings]))
    return replace(shift, moved=moved, error=error)


def _rows(spans: Spans, shift: Shift, pods: Ints, examples: Ints, kind: EvidenceKind) -> Iterator[Evidence]:
    def describe(position: int, score: float) -> tuple[EvidenceKind, Component, str, str] | None:
        if score == 0:
            return None
        name = spans.pods[int(pods[position])]
        return kind, Component(ComponentKind.POD, name), spans.name(int(examples[position])), SIBLINGS

    share = kind is EvidenceKind.ERROR_SHARE
    whole, unit, usual = (spans.requests, "share", USUAL_SHARE) if share else (spans.requests_us, "us", USUAL_TIME)
    yield from shift_rows(shift, Signal.TRACES, describe, unit, whole, usual)
