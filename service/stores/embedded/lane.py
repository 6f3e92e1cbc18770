import time
from pathlib import Path

import pyarrow as pa

from service.stores.case_tables import SCHEMAS
from service.stores.embedded.journal import Journal
from service.stores.embedded.segments import clear_away, journal_path, seal, shelf
from service.telemetry import logger

SEAL_AFTER_S = 60.0
SEAL_BYTES = 32_000_000
"""A journal becomes a segment when it is so old or so long: every question reads the open one whole."""

SEAL_RETRY_S = 30.0


class Lane:
    """One table's way to the disk: an open journal, and segments of those before. For one thread."""

    def __init__(self, root: Path, name: str, seal_after_s: float = SEAL_AFTER_S) -> None:
        self.directory = root / name
        self._schema = SCHEMAS[name]
        self._seal_after_s = seal_after_s
        self._journal: Journal | None = None
        self._opened_at = 0.0
        self._number = 0
        self._unsealed: list[Path] = []
        self._not_before = 0.0

    def open(self) -> None:
        """Bring into order what the process before left: its journals become segments. Raises OSError."""
        self.directory.mkdir(parents=True, exist_ok=True)
        clear_away(self.directory)
        found = shelf(self.directory)
        self._number = found.last_number
        self._unsealed = [path for _, path in found.journals]
        self._seal_closed()

    def append(self, table: pa.Table) -> None:
        """Return once the rows are on the disk. Raises OSError; none of them is kept then."""
        if self._journal is not None and self._journal.gone:
            logger("embedded").warning("%s: is gone, and what was in it", self._journal.path)
            self._journal.close()
            self._journal = None
        if self._journal is None:
            self._number += 1
            self.directory.mkdir(parents=True, exist_ok=True)  # whoever removes it at work has lost its rows, no more
            self._journal = Journal(journal_path(self.directory, self._number))
            self._opened_at = time.monotonic()
        self._journal.append(table)

    def tidy(self, *, at_once: bool = False) -> bool:
        """Seal the journal if it is time; whether there is a new segment."""
        journal = self._journal
        if journal is not None and (at_once or self._is_due(journal)):
            journal.close()
            self._journal = None
            self._unsealed.append(journal.path)
        return time.monotonic() >= self._not_before and self._seal_closed()

    def _is_due(self, journal: Journal) -> bool:
        return journal.size >= SEAL_BYTES or time.monotonic() - self._opened_at >= self._seal_after_s

    def _seal_closed(self) -> bool:
        """A journal that cannot be sealed now is no loss: it is read as it is, and tried again."""
        before = len(self._unsealed)
        while self._unsealed:
            try:
                seal(self._unsealed[0], self._schema)
            except FileNotFoundError:
                logger("embedded").warning("%s: is gone, and what was in it", self._unsealed[0])
            except OSError as error:
                logger("embedded").warning("%s: not sealed yet: %s", self._unsealed[0], error)
                self._not_before = time.monotonic() + SEAL_RETRY_S
                break
            del self._unsealed[0]
        return len(self._unsealed) < before
