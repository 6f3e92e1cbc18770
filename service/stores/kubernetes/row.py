from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from service.domain.window import Window
from service.ports import CHANGES
from service.text import printable

LONGEST_SUMMARY = 300


@dataclass(frozen=True, slots=True)
class Row:
    """One change; ``service`` is a node's name where the node changed."""

    time: datetime
    service: str
    kind: str  # deploy, config, scale, restart
    summary: str


def table_of(rows: Iterable[Row], window: Window) -> pa.Table:
    """The rows of the window (`CHANGES`), in order of time, each once."""
    inside = dict.fromkeys(row for row in rows if window.start <= row.time <= window.end)
    ordered = sorted(inside, key=lambda row: row.time)
    told = [
        {"time": r.time, "service": r.service, "kind": r.kind, "summary": printable(r.summary)[:LONGEST_SUMMARY]}
        for r in ordered
    ]
    return pa.Table.from_pylist(told, schema=CHANGES)
