"""All recordings in one small file: what the project does not ship as directories, without recording it again.

Ids of traces and spans are random, which nothing compresses: in an archive they are numbered in the order in which
they appear. Nothing else is altered, and a case that was packed says what it said before.
"""

import io
import lzma
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from deploy.testbed.errors import ShopError
from deploy.testbed.shipping import recordings

TRACE_DIGITS, SPAN_DIGITS = 32, 16
_COUNTING = {"start", "duration_us", "time"}  # neighbours differ by little
_TEXTS = {"trace_id", "span_id", "parent_span_id", "body"}  # neighbours begin alike

_parquet: Any = pq  # its stubs are partial


def pack(root: Path, file: Path) -> int:
    """Writes all recordings below a directory into an archive (.tar.xz); answers how many there are.

    Raises `ShopError` if there is none, or a table is none.
    """
    found = recordings(root)
    aside = file.with_name(f".{file.name}")
    with tarfile.open(aside, "w:xz", preset=9) as archive:
        for recording in found:
            for name, content in _files(recording.directory):
                told = tarfile.TarInfo(f"{recording.directory.parent.name}/{recording.directory.name}/{name}")
                told.size = len(content)
                archive.addfile(told, io.BytesIO(content))
    aside.replace(file)
    return len(found)


def unpack(file: Path, to: Path) -> int:
    """Lays the recordings of an archive below a directory; answers how many. Raises `ShopError` if it is no archive."""
    try:
        with tarfile.open(file, "r:xz") as archive:
            for member in archive:
                _need_file_below(member, file)
                archive.extract(member, to, set_attrs=False)
            return sum(Path(name).name == "case.json" for name in archive.getnames())
    except (OSError, tarfile.TarError, lzma.LZMAError, EOFError) as error:
        raise ShopError(f"{file}: is no archive of recordings: {error}") from None


def _need_file_below(member: tarfile.TarInfo, file: Path) -> None:
    """Raises `ShopError` for what `pack` writes none of: links, devices, and paths that lead elsewhere."""
    # Python before 3.11.4, which Debian 12 has, knows no filter="data" for `TarFile.extract`.
    path = PurePosixPath(member.name)
    if not member.isfile() or path.is_absolute() or ".." in path.parts:
        raise ShopError(f"{file}: {member.name} is no file below the archive's own directory")


def _files(directory: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file of a case; tables as they pack best."""
    tables = {path.stem: _read(path) for path in sorted(directory.glob("*.parquet"))}
    for name, table in _numbered(tables).items():
        yield f"{name}.parquet", _written(table)
    for path in sorted(directory.glob("*.json")):
        yield path.name, path.read_bytes()


def _read(path: Path) -> pa.Table:
    try:
        return _parquet.read_table(path)
    except pa.ArrowException as error:
        raise ShopError(f"{path}: cannot be read as parquet: {error}") from None


def _numbered(tables: dict[str, pa.Table]) -> dict[str, pa.Table]:
    """The tables with their ids numbered; an id that two tables name stays one id."""
    for columns, digits in ((("trace_id",), TRACE_DIGITS), (("span_id", "parent_span_id"), SPAN_DIGITS)):
        places = [(name, c) for name in ("spans", "logs") if name in tables for c in columns if _has(tables[name], c)]
        numbers = _numbers([tables[name].column(c) for name, c in places], digits)
        for name, c in places:
            ids = pa.array([numbers[i] for i in tables[name].column(c).to_pylist()], pa.string())
            tables[name] = tables[name].set_column(tables[name].schema.get_field_index(c), c, ids)
    return tables


def _numbers(columns: Sequence[Any], digits: int) -> dict[Any, str]:
    """A number for each id, in the order of the first column that names it; no id stays none."""
    numbers: dict[Any, str] = {"": ""}
    for column in columns:
        for one in column.unique().to_pylist():
            numbers.setdefault(one, f"{len(numbers):0{digits}x}")
    return numbers


def _has(table: pa.Table, column: str) -> bool:
    return column in table.column_names


def _written(table: pa.Table) -> bytes:
    """A parquet file without compression of its own: the archive's finds more."""
    encoding = {c: "DELTA_BINARY_PACKED" for c in table.column_names if c in _COUNTING}
    encoding |= {c: "DELTA_BYTE_ARRAY" for c in table.column_names if c in _TEXTS}
    plain = [c for c in table.column_names if c not in encoding and c != "value"]
    file = io.BytesIO()
    _parquet.write_table(
        table, file, compression="none", use_dictionary=plain, column_encoding=encoding, write_page_checksum=True
    )
    return file.getvalue()
