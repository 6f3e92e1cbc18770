"""The boundary at which tables from outside become tables of `service.ports`.

The stubs of pyarrow leave most of it unknown, so columns and types are spoken to as Any, here and nowhere else.
"""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from service.errors import CaseError
from service.ports import ADDED
from service.stores.validation import name_of

_compute: Any = pc

NOT_NAMES = frozenset({"body", "summary", "trace_id", "span_id", "parent_span_id", "linked_trace_id", "linked_span_id"})
"""Text columns that name nothing: what they hold is redacted where it is shown, or never shown."""

_TEXT: tuple[Any, ...] = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_null)


def spare_memory() -> None:
    """Let Arrow use the system's allocator for the whole process: its own keep what they once had, which at our size
    is a fifth more memory for no gain in time.
    """
    pa.set_memory_pool(pa.system_memory_pool())


def conform(table: pa.Table, schema: pa.Schema, where: str) -> pa.Table:
    """The table with exactly the columns of the schema: other encodings of text, widths of numbers and units of time
    are converted, missing text becomes "", names become printable and of a bearable length (`name_of`), samples that
    are no number are dropped, further columns too.

    Raises `CaseError` with one line that begins with ``where`` if a column is missing or holds something else.
    """
    table = completed(table, schema)
    check_schema(table.schema, schema, where)
    columns = [_column(table.column(name), name, wanted, where) for name, wanted in _types(schema)]
    conformed = pa.table(columns, schema=schema)
    try:
        conformed.validate(full=True)
    except pa.ArrowInvalid as error:
        raise CaseError(f"{where}: {first_line(error)}") from None
    return _without_gaps(conformed)


def completed(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with the columns that were added to the schema after it was written, empty."""
    for name in schema.names:
        if name in ADDED and name not in table.schema.names:
            table = table.append_column(name, pa.repeat(pa.scalar(""), table.num_rows))
    return table


def check_schema(found: pa.Schema, schema: pa.Schema, where: str) -> None:
    """Raises `CaseError` if a column of the schema is not among those found, or is of another kind. Columns that were
    added to the format later may be missing.
    """
    for name, wanted in _types(schema):
        if name in ADDED and name not in found.names:
            continue
        if (count := found.names.count(name)) != 1:
            found_so = "missing" if count == 0 else f"there {count} times"
            raise CaseError(f"{where}: column '{name}' is {found_so}, should be there once, as {wanted}")
        actual = dict(_types(found))[name]
        if not _convertible(actual, wanted):
            raise CaseError(f"{where}: column '{name}' is {actual}, should be {wanted}")


def names_in(schema: pa.Schema) -> list[str]:
    """The columns of the schema that hold names."""
    return [column for column, kind in _types(schema) if _holds_names(column, kind)]


def first_line(error: Exception) -> str:
    """The first line of what a library says, cut where it rambles."""
    return str(error).partition("\n")[0][:200]


def _types(schema: Any) -> list[tuple[str, Any]]:
    return list(zip(schema.names, schema.types, strict=True))


def _convertible(actual: Any, wanted: Any) -> bool:
    if pa.types.is_dictionary(actual):
        actual = actual.value_type
    if pa.types.is_string(wanted):
        return any(is_text(actual) for is_text in _TEXT)
    if pa.types.is_timestamp(wanted):
        return pa.types.is_timestamp(actual) and actual.tz is not None
    if pa.types.is_integer(wanted):
        return pa.types.is_integer(actual)
    return pa.types.is_integer(actual) or pa.types.is_floating(actual)


def _column(column: Any, name: str, wanted: Any, where: str) -> Any:
    try:
        cast = _cast(column, wanted, of_names=_holds_names(name, wanted))
    except pa.ArrowException as error:
        raise CaseError(f"{where}: column '{name}' does not fit {wanted}: {first_line(error)}") from None
    if not cast.null_count:
        return cast
    if pa.types.is_string(wanted):
        return _compute.fill_null(cast, "")
    if pa.types.is_floating(wanted):
        return _compute.fill_null(cast, float("nan"))
    raise CaseError(f"{where}: column '{name}' has {cast.null_count} nulls, should have none")


def _cast(column: Any, wanted: Any, *, of_names: bool) -> Any:
    if of_names and pa.types.is_dictionary(column.type):
        column = _named(column)  # while there is one copy of each
    cast = column if column.type == wanted else column.cast(options=pc.CastOptions(wanted, allow_time_truncate=True))
    return _named(cast) if of_names else cast


def _holds_names(column: str, kind: Any) -> bool:
    return pa.types.is_string(kind) and column not in NOT_NAMES


def _named(column: Any) -> Any:
    """The column with every name as `name_of` writes it; the column itself if they are so already."""
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    renamed = [(_renamed(chunk), chunk) for chunk in encoded.chunks]
    if all(new is None for new, _ in renamed):
        return column
    return pa.chunked_array([old.cast(pa.string()) if new is None else new for new, old in renamed])


def _renamed(chunk: Any) -> Any:
    """A dictionary-encoded chunk as text with names as they should be, None if it has no others."""
    chunk.dictionary.validate(full=True)  # or bytes that are no text would end in another kind of error
    told: list[str | None] = chunk.dictionary.to_pylist()
    names = [None if text is None else name_of(text) for text in told]
    return None if names == told else pa.array(names, pa.string()).take(chunk.indices)


def _without_gaps(table: pa.Table) -> pa.Table:
    """A sample that is no number (a gap, a staleness marker) says nothing: its row goes."""
    for name, kind in _types(table.schema):
        if pa.types.is_floating(kind):
            finite = _compute.is_finite(table.column(name))
            table = table if _compute.all(finite, min_count=0).as_py() else table.filter(finite)
    return table
