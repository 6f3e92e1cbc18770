"""Log lines as columns: of which template each is, and which execution wrote it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import pyarrow as pa

from service.domain.evidence import Evidence
from service.evidence.constants import EXAMPLE_LENGTH, SUBJECT_LENGTH
from service.evidence.lineage import Bools, Floats, Ints, codes
from service.evidence.redaction import redact, told
from service.evidence.spans import Spans, combine
from service.evidence.tables import Compared
from service.evidence.templates import Templates, mine_templates


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


def with_text(rows: Iterator[Evidence], lines: Lines) -> Iterator[Evidence]:
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
