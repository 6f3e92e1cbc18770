"""Where the time goes: durations, exclusive time, and the gap, each against the baseline given what led to it."""

from collections.abc import Iterator

import numpy as np

from service.domain.component import Component, edge, service
from service.domain.evidence import Evidence, EvidenceKind, Signal
from service.evidence.constants import USUAL_TIME
from service.evidence.lineage import Bools, Ints
from service.evidence.rows import shift_rows
from service.evidence.spans import Spans, combine
from service.evidence.strata import time_shift


def timing_evidence(spans: Spans) -> Iterator[Evidence]:
    """Rows of kind latency (per operation that is entered from outside its service), self-time (per operation) and gap
    (per edge). Bare calls have no self time of their own: what no child covers in them is the gap. Calls to a service
    that writes no spans are rows of kind latency of their edge.
    """
    entered = (spans.parent < 0) | spans.crossing
    yield from _durations(spans, entered, EvidenceKind.LATENCY)
    yield from _durations(spans, spans.called < 0, EvidenceKind.SELF_TIME)
    yield from _calls(spans, (spans.called >= 0) & ~spans.silent, EvidenceKind.GAP)
    yield from _calls(spans, spans.silent, EvidenceKind.LATENCY)


def _strata(spans: Spans, rows: Ints) -> list[Ints]:
    step, above = spans.step[rows], spans.above[rows] + 1
    return [combine(spans.entry[rows], above, step), combine(above, step), step]


def _durations(spans: Spans, which: Bools, kind: EvidenceKind) -> Iterator[Evidence]:
    rows = np.flatnonzero(which)
    if not len(rows):
        return
    values = (spans.self_us if kind is EvidenceKind.SELF_TIME else spans.duration_us)[rows].astype(np.float64)
    operations, group = np.unique(spans.operation[rows], return_inverse=True)
    shift = time_shift(spans.now[rows], group, _strata(spans, rows), values, spans.resolution_us)

    def describe(position: int, _score: float) -> tuple[EvidenceKind, Component, str, str]:
        owner, name = spans.operations[int(operations[position])]
        return kind, service(spans.services[owner]), name, ""

    yield from shift_rows(shift, Signal.TRACES, describe, "us", spans.requests_us, USUAL_TIME)


def _calls(spans: Spans, which: Bools, kind: EvidenceKind) -> Iterator[Evidence]:
    """Time that a caller waits on a call and that the callee's own span does not cover: the network, a queue before the
    handler, a connection pool, a callee that cannot even begin.
    """
    rows = np.flatnonzero(which)
    if not len(rows):
        return
    caller, callee = spans.service[rows], spans.called[rows]
    edges, first, group = np.unique(caller * len(spans.services) + callee, return_index=True, return_inverse=True)
    shift = time_shift(
        spans.now[rows], group, _strata(spans, rows), spans.self_us[rows].astype(np.float64), spans.resolution_us
    )

    def describe(position: int, _score: float) -> tuple[EvidenceKind, Component, str, str]:
        a, b = divmod(int(edges[position]), len(spans.services))
        return kind, edge(spans.services[a], spans.services[b]), spans.name(int(rows[first[position]])), ""

    yield from shift_rows(shift, Signal.TRACES, describe, "us", spans.requests_us, USUAL_TIME)
