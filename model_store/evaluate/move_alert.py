"""The same case with its alerts earlier or later: what an answer owes to when an alert fired shows as a difference."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from model_store.cases import read_truth
from model_store.evaluate.run import Open, Source
from service.errors import CaseError

CASE, TRUTH = "case.json", "truth.json"


def with_alerts_moved(seconds: float) -> Open:
    """A way to open cases as if their alerts had begun so many seconds later (negative: earlier)."""

    def opened(directory: Path) -> AbstractContextManager[Source]:
        return _moved(directory, timedelta(seconds=seconds))

    return opened


@contextmanager
def _moved(directory: Path, by: timedelta) -> Iterator[Source]:
    """The case in a directory that is gone afterwards, and has no truth. Raises `CaseError` if it cannot be read."""
    truth = read_truth(directory)
    with tempfile.TemporaryDirectory(prefix="hypocenter-moved-") as temporary:
        target = Path(temporary)
        for file in directory.iterdir():
            if file.name not in (CASE, TRUTH):
                os.symlink(file.resolve(), target / file.name)
        try:
            case = json.loads((directory / CASE).read_bytes())
            for alert in case["alert"]["alerts"]:
                alert["startsAt"] = (datetime.fromisoformat(alert["startsAt"]) + by).isoformat()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CaseError(f"{directory}: its alerts cannot be moved: {error}") from None
        (target / CASE).write_text(json.dumps(case))
        yield Source(target, truth)
