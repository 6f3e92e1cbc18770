"""One SQLite file: one thread that writes and commits in groups, a few that read. No call blocks the event loop."""

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from service.errors import HypocenterError, StoreError
from service.jobs.migrations import migrate

MAX_WAITING = 1000
"""Writes that may wait for the writing thread; more would be promises that it cannot keep in time."""

MAX_GROUP = 100
"""Writes that one commit, that is one flush of the disk, may carry."""

READERS = 2

Result = TypeVar("Result")
Work = Callable[[sqlite3.Connection], Result]


class _Performable(Protocol):
    committed: bool

    def perform(self, connection: sqlite3.Connection) -> None: ...


class Database:
    """Work is a function of a connection. A write returns once it is on the disk; all of it happened then, or nothing.

    Raises `StoreError` from the constructor if the file cannot be used, and from every call that fails or takes longer
    than ``timeout_s``; such a write may still happen. Work may raise any `HypocenterError`: it is undone and passed on.
    """

    def __init__(self, path: Path, timeout_s: float) -> None:
        self._path = path
        self._timeout_s = timeout_s
        self._waiting: deque[_Performable] = deque()
        self._reading = threading.local()
        self._connections: list[sqlite3.Connection] = []
        try:
            self._writing = self._connect()
            migrate(self._writing)
        except (sqlite3.Error, StoreError) as error:
            for connection in self._connections:
                connection.close()
            told = "is a directory, should be a file" if path.is_dir() else error
            raise StoreError(f"store {path}: {told}") from None
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="store-writer")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-reader")

    async def write(self, work: Work[Result]) -> Result:
        """Do it in a transaction and return its result after the commit; it goes on if the caller is cancelled."""
        if len(self._waiting) >= MAX_WAITING:
            raise StoreError(f"store {self._path}: {MAX_WAITING} writes are waiting")
        write = _Write(work)
        self._waiting.append(write)
        await self._await(self._writer.submit(self._commit_group))
        return write.outcome(self._path)

    async def read(self, work: Work[Result]) -> Result:
        """Do it in one consistent snapshot."""
        return await self._await(self._readers.submit(self._snapshot, work))

    async def close(self) -> None:
        """Finish what waits and close the file."""
        await asyncio.to_thread(self._close)

    async def _await(self, future: Future[Result]) -> Result:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await asyncio.shield(asyncio.wrap_future(future))
        except TimeoutError:
            raise StoreError(f"store {self._path}: no answer within {self._timeout_s:g} s") from None
        except sqlite3.Error as error:
            raise StoreError(f"store {self._path}: {error}") from None

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=self._timeout_s / 2, isolation_level=None, check_same_thread=False
        )
        self._connections.append(connection)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        return connection

    def _commit_group(self) -> None:
        """Perform the writes that wait, in order, and commit them together. Those of a broken group stay unsettled."""
        group = [self._waiting.popleft() for _ in range(min(MAX_GROUP, len(self._waiting)))]
        if not group:
            return
        try:
            self._writing.execute("BEGIN IMMEDIATE")
            for write in group:
                write.perform(self._writing)
            self._writing.execute("COMMIT")
        finally:
            if self._writing.in_transaction:
                self._writing.execute("ROLLBACK")
        for write in group:
            write.committed = True

    def _snapshot(self, work: Work[Result]) -> Result:
        if not hasattr(self._reading, "connection"):
            self._reading.connection = self._connect()
        connection: sqlite3.Connection = self._reading.connection
        connection.execute("BEGIN")
        try:
            return work(connection)
        finally:
            connection.execute("ROLLBACK")

    def _close(self) -> None:
        self._writer.shutdown()
        self._readers.shutdown()
        for connection in self._connections:
            connection.close()


class _Write(Generic[Result]):
    """One write on its way: performed inside a group's transaction, settled by its commit."""

    def __init__(self, work: Work[Result]) -> None:
        self._work = work
        self._results: list[Result] = []
        self._refused: HypocenterError | None = None
        self.committed = False

    def perform(self, connection: sqlite3.Connection) -> None:
        """Do the work in a savepoint, so that what it refuses to do does not touch the others of its group."""
        connection.execute("SAVEPOINT work")
        try:
            self._results.append(self._work(connection))
        except HypocenterError as refused:
            self._refused = refused
            connection.execute("ROLLBACK TO work")
        connection.execute("RELEASE work")

    def outcome(self, path: Path) -> Result:
        """What the work returned or raised, now that it is on the disk."""
        if not self.committed:
            raise StoreError(f"store {path}: the group of writes that this one was in could not be committed")
        if self._refused is not None:
            raise self._refused
        return self._results[0]
