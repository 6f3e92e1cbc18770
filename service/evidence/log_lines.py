"""Log templates that are new, gone, more or fewer, given the operation that they belong to."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from service.domain.component import Component, service
from service.domain.evidence import Evidence, EvidenceKind, Signal
from service.evidence.constants import EXAMPLE_LENGTH, MIN_FOR_SHARE, SUBJECT_LENGTH, USUAL_SHARE
from service.evidence.following import followed, less_what_replaced_it
from service.evidence.redaction import redact, told
from service.evidence.rows import shift_rows
from service.evidence.spans import Bools, Floats, Ints, Spans, codes, combine
from service.evidence.strata import Shift, share_shift_of_counts
from service.evidence.tables import Compared
from service.evidence.templates import Templates, mine_templates

_compute = cast(Any, pc)


@dataclass(frozen=True)
class Lines:
    """All log lines of one incident, a row each: what template they are of, the row of the span that wrote them (-1
    where none is known), and when they count: with the request that they belong to, in seconds from the alert.
    """

    table: pa.Table
    now: Bools
    templates: Templates
    owner: Ints
    seconds: Floats


def read_lines(compared: Compared, spans: Spans | None, span_table: pa.Table | None, alerted_at_us: int) -> Lines:
    """The lines of a compared pair of tables; ``span_table`` has the rows of the spans as they came."""
    table = compared.together
    now = np.arange(len(table)) < len(compared.now)
    owner = np.full(len(table), -1, np.int64)
    seconds = (np.asarray(table["time"].cast(pa.int64())) - alerted_at_us) / 1e6
    if spans is not None and span_table is not None and len(spans) and len(table):
        owner = _owner(table, span_table, now, spans.now)
        seconds = np.where(owner >= 0, (spans.began_us[owner] - alerted_at_us) / 1e6, seconds)
    return Lines(table, now, mine_templates(table), owner, seconds)


def log_evidence(lines: Lines, after: Bools, reference: Bools, spans: Spans | None, place: Ints) -> list[Evidence]:
    """A row for each template whose share moved between the lines of ``after`` and those of ``reference``: of the
    executions of the operation whose span wrote it, or, for lines that belong to no known span, of all lines of its
    service. ``place`` says which row of ``spans`` the owner of a line is now. Severity is error, warn, info, debug, "".
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
    return rows + list(_given_service(kept, free))


def _owner(lines: pa.Table, span_table: pa.Table, is_now: Bools, span_is_now: Bools) -> Ints:
    """The row of the span that wrote each line, -1 where none is known (or only one of the other stretch of time).

    Service, trace and span have to be those of the line: whoever names another's span speaks for himself alone.
    """
    ids = ("service", "trace_id", "span_id")
    columns = [codes(pa.chunked_array([*span_table[c].chunks, *lines[c].chunks]))[0] for c in ids]
    when = np.concatenate([span_is_now, is_now]).astype(np.int64)
    of_span, of_line = np.split(combine(*columns, when), [len(span_is_now)])
    first = np.full(int(max(of_span.max(), of_line.max())) + 1, -1, np.int64)
    first[of_span[::-1]] = np.arange(len(of_span))[::-1]
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

    yield from _with_text(shift_rows(shift, Signal.LOGS, describe, "share", spans.requests, USUAL_SHARE), lines)


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

    yield from _with_text(shift_rows(shift, Signal.LOGS, describe, "share", len(free), USUAL_SHARE), lines)


def _with_text(rows: Iterator[Evidence], lines: Lines) -> Iterator[Evidence]:
    """Rows whose subject is a line's number get the text: the template as subject, the line as example, redacted."""
    for row in rows:
        line = int(row.subject)
        code = int(lines.templates.code[line])
        body = cast(str, lines.table["body"][line].as_py())
        yield replace(
            row,
            subject=redact(lines.templates.texts[code], SUBJECT_LENGTH),
            severity=lines.templates.severities[code],
            example=told(body, EXAMPLE_LENGTH),
        )
