"""What a store says beside its rows: which part they are of what there is, and how it was asked for them. It travels
as metadata of the table, so that ports promise columns and nothing else; the view reads it, tells people, and takes it
off.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
from pydantic import TypeAdapter

from service.text import printable

TRACES = "traces"
"""The kind of row that spans are, where whole traces were left out by their id."""

ANY = ""
"""What rows are about that no question names."""

_NOTES, _SHARES, _ASKED = b"hypocenter.notes", b"hypocenter.shares", b"hypocenter.asked"
_TEXTS = TypeAdapter(tuple[str, ...])
_NUMBERS = TypeAdapter(dict[str, float])
_QUERIES = TypeAdapter(dict[str, str])


def with_notes(table: pa.Table, notes: Sequence[str], shares: Mapping[str, float] | None = None) -> pa.Table:
    """The table, saying in a line or more what is missing; ``shares`` are the parts of each kind of row that are there,
    between 0 and 1.
    """
    if not notes and not shares:
        return table
    lines = list(map(printable, notes))  # servers write some of them
    told = {_NOTES: json.dumps(lines).encode(), _SHARES: json.dumps(dict(shares or {})).encode()}
    return _with_metadata(table, _metadata(table) | told)


def with_queries(table: pa.Table, queries: Mapping[str, str]) -> pa.Table:
    """The table, saying how it was asked for: questions in its server's language by what they are about, a metric, a
    service or a severity; `ANY` for the others.
    """
    return _with_metadata(table, _metadata(table) | {_ASKED: json.dumps(dict(queries)).encode()})


def notes_of(table: pa.Table) -> tuple[str, ...]:
    """What the store said is missing; nothing of one that said nothing."""
    return _TEXTS.validate_json(_metadata(table).get(_NOTES, b"[]"))


def shares_of(table: pa.Table) -> dict[str, float]:
    """The parts of each kind of row that are there; a kind that is not named is there whole."""
    return _NUMBERS.validate_json(_metadata(table).get(_SHARES, b"{}"))


def queries_of(table: pa.Table) -> dict[str, str]:
    """How the store was asked for the rows; nothing where it did not say."""
    return _QUERIES.validate_json(_metadata(table).get(_ASKED, b"{}"))


def bare(table: pa.Table) -> pa.Table:
    """The rows alone."""
    return _with_metadata(table, None) if _metadata(table) else table


def _metadata(table: Any) -> dict[bytes, bytes]:
    return table.schema.metadata or {}


def _with_metadata(table: Any, metadata: dict[bytes, bytes] | None) -> pa.Table:
    return table.replace_schema_metadata(metadata)
