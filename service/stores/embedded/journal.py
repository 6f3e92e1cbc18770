"""What was acknowledged and is in no segment yet: frames of rows, appended and flushed to the disk.

A frame is its length, its CRC-32 (both 32 bits, little endian), and an Arrow IPC stream. A reader stops at the first
frame that is not whole: a crash, or a writer at this moment, leaves nothing else behind.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from service.stores.columns import completed

_HEADER = struct.Struct("<II")
_ipc: Any = pa.ipc
_OPTIONS: Any = pa.ipc.IpcWriteOptions(compression="lz4")


class Journal:
    """Takes the rows of one table. For one thread. Raises OSError where the disk does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = 0
        self.size = 0
        self._file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o640)
        try:
            flush_directory(path.parent)
        except OSError:
            self.close()
            path.unlink()
            raise

    def append(self, table: pa.Table) -> None:
        """Return once the rows are on the disk. If they cannot be, none of them is in the journal."""
        frame = memoryview(_framed(table))
        try:
            while frame:
                frame = frame[os.write(self._file, frame) :]
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, self.size)
            os.lseek(self._file, self.size, os.SEEK_SET)
            raise
        self.size = os.lseek(self._file, 0, os.SEEK_CUR)
        self.rows += table.num_rows

    @property
    def gone(self) -> bool:
        """Whether somebody has removed the file: what would be written now, nobody could find."""
        return os.fstat(self._file).st_nlink == 0

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)


def read_journal(path: Path, schema: pa.Schema) -> pa.Table:
    """The rows of all whole frames, in the order in which they came. Raises FileNotFoundError where it is gone, and
    pa.ArrowException where it holds something else.
    """
    frames = (_ipc.open_stream(frame).read_all() for frame in _whole_frames(path.read_bytes()))
    tables = [of_schema(table, schema) for table in frames]
    return pa.concat_tables(tables) if tables else schema.empty_table()


def of_schema(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table as this version writes it. Raises pa.ArrowInvalid if it has other columns than any version wrote."""
    table = completed(table, schema)
    if not table.schema.equals(schema):
        raise pa.ArrowInvalid("it has other columns than this version writes")
    return table


def flush_directory(directory: Path) -> None:
    """Make sure that what was created, renamed or removed there stays so."""
    opened = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _framed(table: pa.Table) -> bytes:
    sink: Any = pa.BufferOutputStream()
    with _ipc.new_stream(sink, table.schema, options=_OPTIONS) as stream:
        stream.write_table(table)
    body: bytes = sink.getvalue().to_pybytes()
    return _HEADER.pack(len(body), zlib.crc32(body)) + body


def _whole_frames(content: bytes) -> Iterator[memoryview]:
    view, position = memoryview(content), 0
    while position + _HEADER.size <= len(view):
        length, checksum = _HEADER.unpack_from(view, position)
        position += _HEADER.size
        frame = view[position : position + length]
        if not length or len(frame) < length or zlib.crc32(frame) != checksum:
            return
        yield frame
        position += length
