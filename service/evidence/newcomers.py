"""Warnings and errors of services that wrote no log lines before: silence is their baseline."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from service.domain.component import Component, service
from service.domain.evidence import TROUBLE, Evidence, EvidenceKind, Signal
from service.domain.graph import ServiceGraph
from service.evidence.constants import MIN_FOR_SHARE, USUAL_SHARE
from service.evidence.lineage import Bools, Ints, codes
from service.evidence.lines import Lines, with_text
from service.evidence.rows import shift_rows
from service.evidence.spans import Spans
from service.evidence.strata import share_shift_of_counts


def newcomer_evidence(lines: Lines, graph: ServiceGraph, spans: Spans | None) -> Iterator[Evidence]:
    """A row for the errors, and one for the warnings, of each service that had no log lines to compare with: their
    share of all that it writes now, against silence for as long. Lines of other levels are no news of a newcomer.

    Lines of an operation that was executed before have a baseline: how often it wrote none.
    """
    owner, services = codes(lines.table["service"])
    size = len(services)
    n_before = np.bincount(owner[~lines.now], minlength=size)
    severity = np.array(lines.templates.severities)[lines.templates.code]
    trouble = np.isin(severity, TROUBLE)
    news = lines.now & trouble & (n_before < MIN_FOR_SHARE)[owner] & ~_executed_before(lines, spans)
    rows = np.flatnonzero(news)
    if not len(rows):
        return
    kind = owner * len(TROUBLE) + (severity == TROUBLE[1])
    kinds, group = np.unique(kind[rows], return_inverse=True)
    of_service = kinds // len(TROUBLE)
    n_now = np.bincount(owner[lines.now], minlength=size)
    seen = np.bincount(kind[trouble & ~lines.now], minlength=size * len(TROUBLE))[kinds]
    among = _as_much_as(owner, services, lines.now & trouble, n_now, graph, spans)[of_service]
    hits, own = np.bincount(group), n_now[of_service]
    weighed = share_shift_of_counts(hits, among, seen, among)
    shift = replace(weighed, now=hits / own, before=seen / own, n_now=own, n_before=n_before[of_service])
    examples = [_example(lines, rows[group == position]) for position in range(len(kinds))]

    def describe(position: int, score: float) -> tuple[EvidenceKind, Component, str, str] | None:
        if score <= 0:
            return None
        kind = EvidenceKind.LOG_MORE if seen[position] else EvidenceKind.LOG_NEW
        return kind, service(services[int(of_service[position])]), str(examples[position]), ""

    yield from with_text(shift_rows(shift, Signal.LOGS, describe, "share", len(lines.now), USUAL_SHARE), lines)


def _executed_before(lines: Lines, spans: Spans | None) -> Bools:
    """The lines of spans of which the operation was executed before, too."""
    if spans is None:
        return np.zeros(len(lines.now), bool)
    before = np.bincount(spans.step[~spans.now], minlength=int(spans.step.max(initial=0)) + 1)
    linked = lines.owner >= 0
    return linked & (before[spans.step[lines.owner]] >= MIN_FOR_SHARE)


def _as_much_as(
    owner: Ints, services: list[str], trouble: Bools, n_now: Ints, graph: ServiceGraph, spans: Spans | None
) -> Ints:
    """For each service how many lines its own are to be counted among: at least one for each of its executions, and as
    many as a service writes that it calls and that tells of trouble, too. Else a caller that only passes on what fails
    would show more of it than a callee that writes much.
    """
    among = n_now.copy()
    if spans is not None and len(spans):
        entered = spans.now & ((spans.parent < 0) | spans.crossing)
        executions = np.bincount(spans.service[entered], minlength=len(spans.services))
        known = {name: int(count) for name, count in zip(spans.services, executions, strict=True)}
        among = np.maximum(among, np.array([known.get(name, 0) for name in services], np.int64))
    lines_of_trouble = np.bincount(owner[trouble], minlength=len(services))
    much = {name: int(among[place]) for place, name in enumerate(services) if lines_of_trouble[place]}
    below = [max((much.get(callee, 0) for callee in graph.callees(name)), default=0) for name in services]
    return np.maximum(among, np.array(below, np.int64))


def _example(lines: Lines, rows: Ints) -> int:
    """The first line of the template that most of them are of."""
    templates, first, counts = np.unique(lines.templates.code[rows], return_index=True, return_counts=True)
    return int(rows[first[int(np.argmax(counts))]]) if len(templates) else -1
