"""Log templates that are new, gone, more or fewer, given the operation that they belong to."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from service.domain.component import Component, service
from service.domain.evidence import Evidence, EvidenceKind, Signal
from service.domain.graph import ServiceGraph
from service.evidence.constants import MIN_FOR_SHARE, USUAL_SHARE
from service.evidence.following import followed, less_what_replaced_it
from service.evidence.lineage import Bools, Ints, codes
from service.evidence.lines import Lines, with_text
from service.evidence.newcomers import newcomer_evidence
from service.evidence.rows import shift_rows
from service.evidence.spans import Spans
from service.evidence.strata import Shift, share_shift_of_counts

_compute = cast(Any, pc)


def log_evidence(
    lines: Lines, after: Bools, reference: Bools, spans: Spans | None, place: Ints, graph: ServiceGraph
) -> list[Evidence]:
    """A row for each template whose share moved between the lines of ``after`` and those of ``reference``: of the
    executions of the operation whose span wrote it, or, for lines that belong to no known span, of all lines of its
    service; of a service that wrote no lines before, see `newcomer_evidence`. ``place`` says which row of ``spans`` the
    owner of a line is now. Severity is error, warn, info, debug, "".
    """
    chosen = np.flatnonzero(after | reference)
    if not len(chosen):
        return []
    kept = replace(
        lines,
        table=_compute.take(lines.table, pa.array(chosen)),
        now=after[chosen],
        templates=replace(lines.templates, code=lines.templates.code[chosen]),
        owner=place[lines.owner[chosen]],
    )
    free = np.flatnonzero(lines.owner[chosen] < 0)
    rows = list(_given_operation(kept, spans)) if spans is not None else []
    return [*rows, *_given_service(kept, free), *newcomer_evidence(kept, graph, spans)]


def _kind(shift: Shift, position: int, score: float) -> EvidenceKind | None:
    """What happened to the template; new and gone only where there was enough to see it in before, or now."""
    if score > 0:
        unseen = shift.before[position] * shift.n_before[position] < 0.5
        if unseen and shift.n_before[position] < MIN_FOR_SHARE:
            return None
        return EvidenceKind.LOG_NEW if unseen else EvidenceKind.LOG_MORE
    gone = shift.now[position] * shift.n_now[position] < 0.5
    return EvidenceKind.LOG_GONE if gone else EvidenceKind.LOG_LESS


def _given_operation(lines: Lines, spans: Spans) -> Iterator[Evidence]:
    linked = np.flatnonzero(lines.owner >= 0)
    if not len(linked):
        return
    found = followed(spans, lines.owner[linked], lines.templates.code[linked])
    shift = less_what_replaced_it(found)

    def describe(pair: int, score: float) -> tuple[EvidenceKind, Component, str, str] | None:
        row = int(lines.owner[linked[found.event[pair]]])
        if (kind := _kind(shift, pair, score)) is None:
            return None
        return kind, service(spans.owner(row)), str(linked[found.event[pair]]), spans.name(row)

    yield from with_text(shift_rows(shift, Signal.LOGS, describe, "share", spans.requests, USUAL_SHARE), lines)


def _given_service(lines: Lines, free: Ints) -> Iterator[Evidence]:
    """Lines without a span: each template's share of what its service writes."""
    if not len(free) or lines.now[free].all():
        return
    owner, services = codes(_compute.take(lines.table["service"], pa.array(free)))
    known, first, template = np.unique(lines.templates.code[free], return_index=True, return_inverse=True)
    now, of_service = lines.now[free], owner[first]
    size = len(known)
    shift = share_shift_of_counts(
        np.bincount(template[now], minlength=size),
        np.bincount(owner[now], minlength=len(services))[of_service],
        np.bincount(template[~now], minlength=size),
        np.bincount(owner[~now], minlength=len(services))[of_service],
    )

    def describe(position: int, score: float) -> tuple[EvidenceKind, Component, str, str] | None:
        if (kind := _kind(shift, position, score)) is None:
            return None
        return kind, service(services[int(of_service[position])]), str(free[first[position]]), ""

    yield from with_text(shift_rows(shift, Signal.LOGS, describe, "share", len(free), USUAL_SHARE), lines)
