"""The one thread that writes. Rows are acknowledged when they are in a journal that is flushed to the disk; what comes
while one flush is under way shares the next.
"""

import fcntl
import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from service.errors import StoreError
from service.stores.case_tables import SCHEMAS
from service.stores.columns import conform
from service.stores.embedded.lane import SEAL_AFTER_S, Lane
from service.stores.embedded.retention import Retention, expired
from service.stores.embedded.segments import Segment, shelf
from service.telemetry import logger

TABLES = ("spans", "logs", "metrics")
MOST_IN_GROUP = 64


@dataclass(frozen=True, slots=True)
class _Waiting:
    name: str
    table: pa.Table
    written: "Future[None]" = field(default_factory=lambda: Future[None]())


class Writer:
    """Writes rows into a directory that it alone writes; any number of others may read there.

    Raises `StoreError` if the directory cannot be used, or another process writes there.
    """

    def __init__(
        self,
        root: Path,
        retention: Retention | None = None,
        seal_after_s: float = SEAL_AFTER_S,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._root = root
        self._retention = retention or Retention()
        self._clock = clock
        self._waiting: deque[_Waiting] = deque()
        self._lanes = {name: Lane(root, name, seal_after_s) for name in TABLES}
        self.trouble = ""
        """What the disk said to the last write; "" if it took it."""
        try:
            root.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(root / "lock")
            for lane in self._lanes.values():
                lane.open()
            self._expire()
        except OSError as error:
            raise StoreError(f"embedded store {root}: {error.strerror or error}") from None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="embedded-writer")
        self._closing = threading.Lock()

    def append(self, name: str, table: pa.Table) -> "Future[None]":
        """Write the rows of that table. The future ends when they are on the disk, or in a `StoreError`: then none
        of them is kept.
        """
        waiting = _Waiting(name, table)
        if not table.num_rows:
            waiting.written.set_result(None)
            return waiting.written
        self._waiting.append(waiting)
        try:
            self._thread.submit(self._commit_group)
        except RuntimeError:
            waiting.written.set_exception(StoreError(f"embedded store {self._root}: is closed"))
        return waiting.written

    def tidy(self) -> "Future[None]":
        """Seal what is due, remove what is too old or too much."""
        return self._thread.submit(self._tidy)

    def close(self) -> None:
        """Finish what waits, seal everything, let the next one write."""
        with self._closing:
            if self._lock >= 0:
                self._thread.submit(self._tidy, at_once=True)
                self._thread.shutdown()
                os.close(self._lock)
                self._lock = -1

    def _commit_group(self) -> None:
        group = [self._waiting.popleft() for _ in range(min(MOST_IN_GROUP, len(self._waiting)))]
        try:
            for name in dict.fromkeys(waiting.name for waiting in group):
                self._commit(name, [waiting for waiting in group if waiting.name == name])
        finally:
            for waiting in group:
                if not waiting.written.done():
                    waiting.written.set_exception(StoreError(f"embedded store {self._root}: not written"))
        self._tidy()

    def _commit(self, name: str, group: list[_Waiting]) -> None:
        try:
            rows = pa.concat_tables([waiting.table for waiting in group])
            self._lanes[name].append(conform(rows, SCHEMAS[name], name))
        except OSError as error:
            self._note(f"embedded store {self._root}: {error.strerror or error}")
            for waiting in group:
                waiting.written.set_exception(StoreError(self.trouble))
            return
        self._note("")
        for waiting in group:
            waiting.written.set_result(None)

    def _note(self, trouble: str) -> None:
        """Say once that it began and once that it ended: a full disk refuses a thousand requests a minute."""
        if trouble and not self.trouble:
            logger("embedded").error("%s", trouble)
        if self.trouble and not trouble:
            logger("embedded").info("embedded store %s: writes again", self._root)
        self.trouble = trouble

    def _tidy(self, *, at_once: bool = False) -> None:
        try:
            sealed = [lane.tidy(at_once=at_once) for lane in self._lanes.values()]
            if any(sealed):
                self._expire()
        except OSError as error:
            logger("embedded").error("embedded store %s: cannot be put in order: %s", self._root, error)

    def _expire(self) -> None:
        told = [(s, _size(s)) for lane in self._lanes.values() for s in shelf(lane.directory).segments]
        for segment in expired(told, self._retention, self._clock()):
            try:
                segment.path.unlink(missing_ok=True)
            except OSError as error:
                logger("embedded").warning("%s: is expired, and cannot be removed: %s", segment.path, error)


def _size(segment: Segment) -> int:
    try:
        return segment.path.stat().st_size
    except FileNotFoundError:
        return 0


def _locked(path: Path) -> int:
    """The lock falls with the process, however it ends."""
    opened = os.open(path, os.O_CREAT | os.O_RDWR, 0o640)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(opened)
        raise OSError(0, "another process writes there") from None
    return opened
