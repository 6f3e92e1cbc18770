"""Log templates that are new, gone, more or fewer, given the operation that they belong to."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from service.domain.component import Component, service
from service.domain.evidence import Evidence, EvidenceKind, Signal
from service.evidence.constants import EXAMPLE_LENGTH, MIN_FOR_SHARE, SUBJECT_LENGTH
from service.evidence.following import followed, less_what_replaced_it
from service.evidence.redaction import redact, told
from service.evidence.rows import shift_rows
from service.evidence.spans import Bools, Ints, Spans, codes, combine
from service.evidence.strata import Shift, share_shift_of_counts
from service.evidence.tables import Compared
from service.evidence.templates import Templates, mine_templates

_compute = cast(Any, pc)


def log_evidence(compared: Compared, spans: Spans | None) -> list[Evidence]:
    """A row for each template whose share moved: of the executions of the operation whose span wrote it, or, for lines
    that belong to no known span, of all lines of its service. Severity is error, warn, info, debug or "".
    """
    lines = compared.together
    if not len(lines):
        return []
    is_now = np.arange(len(lines)) < len(compared.now)
    templates = mine_templates(lines)
    owner = _owner(lines, spans, is_now)
    rows = list(_given_operation(lines, templates, spans, owner)) if spans is not None else []
    return rows + list(_given_service(lines, templates, is_now, np.flatnonzero(owner < 0)))


def _owner(lines: pa.Table, spans: Spans | None, is_now: Bools) -> Ints:
    """The row of the span that wrote each line, -1 where none is known (or only one of the other stretch of time).

    Service, trace and span have to be those of the line: whoever names another's span speaks for himself alone.
    """
    if spans is None or not len(spans):
        return np.full(len(lines), -1, np.int64)
    told = ("service", "trace_id", "span_id")
    columns = [codes(pa.chunked_array([*spans.table[c].chunks, *lines[c].chunks]))[0] for c in told]
    of_span, of_line = np.split(combine(*columns, np.concatenate([spans.now, is_now]).astype(np.int64)), [len(spans)])
    first = np.full(int(max(of_span.max(), of_line.max())) + 1, -1, np.int64)
    first[of_span[::-1]] = np.arange(len(spans))[::-1]
    return first[of_line]


def _kind(shift: Shift, position: int, score: float) -> EvidenceKind | None:
    """What happened to the template; new and gone only where there was enough to see it in before, or now."""
    if score > 0:
        unseen = shift.before[position] * shift.n_before[position] < 0.5
        if unseen and shift.n_before[position] < MIN_FOR_SHARE:
            return None
        return EvidenceKind.LOG_NEW if unseen else EvidenceKind.LOG_MORE
    gone = shift.now[position] * shift.n_now[position] < 0.5
    return EvidenceKind.LOG_GONE if gone else EvidenceKind.LOG_LESS


def _given_operation(lines: pa.Table, templates: Templates, spans: Spans, owner: Ints) -> Iterator[Evidence]:
    linked = np.flatnonzero(owner >= 0)
    if not len(linked):
        return
    found = followed(spans, owner[linked], templates.code[linked])
    shift = less_what_replaced_it(found)

    def describe(pair: int, score: float) -> tuple[EvidenceKind, Component, str, str] | None:
        row = int(owner[linked[found.event[pair]]])
        if (kind := _kind(shift, pair, score)) is None:
            return None
        return kind, service(spans.owner(row)), str(linked[found.event[pair]]), spans.name(row)

    yield from _with_text(shift_rows(shift, Signal.LOGS, describe, "share", spans.requests), lines, templates)


def _given_service(lines: pa.Table, templates: Templates, is_now: Bools, free: Ints) -> Iterator[Evidence]:
    """Lines without a span: each template's share of what its service writes."""
    if not len(free) or is_now[free].all():
        return
    owner, services = codes(_compute.take(lines["service"], pa.array(free)))
    known, first, template = np.unique(templates.code[free], return_index=True, return_inverse=True)
    now, of_service = is_now[free], owner[first]
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

    yield from _with_text(shift_rows(shift, Signal.LOGS, describe, "share", len(free)), lines, templates)


def _with_text(rows: Iterator[Evidence], lines: pa.Table, templates: Templates) -> Iterator[Evidence]:
    """Rows whose subject is a line's number get the text: the template as subject, the line as example, redacted."""
    for row in rows:
        line = int(row.subject)
        code = int(templates.code[line])
        body = cast(str, lines["body"][line].as_py())
        yield replace(
            row,
            subject=redact(templates.texts[code], SUBJECT_LENGTH),
            severity=templates.severities[code],
            example=told(body, EXAMPLE_LENGTH),
        )
