"""Chooses which recordings go with the project: few, small, and of every kind."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.testbed.errors import ShopError

MOST_BYTES, MOST_BYTES_IN_ALL = 1_000_000, 15_000_000
OF_A_KIND = 2
"""Recordings of one fault; of those without a cause one more, as there are two ways to have none."""
NO_CAUSE = "none"


@dataclass(frozen=True, slots=True)
class Recording:
    """A case directory, what is wrong in it (fault kinds), and its bytes."""

    directory: Path
    faults: tuple[str, ...]
    size: int


def recordings(root: Path) -> list[Recording]:
    """All recordings below a directory. Raises `ShopError` if there is none."""
    found = [_recording(path.parent) for path in sorted(root.glob("*/*/truth.json"))]
    if not found:
        raise ShopError(f"{root}: holds no recordings")
    return found


def _recording(directory: Path) -> Recording:
    causes = json.loads((directory / "truth.json").read_bytes())["causes"]
    size = sum(file.stat().st_size for file in directory.iterdir())
    return Recording(directory, tuple(cause["fault"] for cause in causes) or (NO_CAUSE,), size)


def choose(found: list[Recording]) -> Iterator[Recording]:
    """A balanced choice: of every kind, from as many shops as can be; each and all of them small."""
    kinds, shops, total = Counter[str](), Counter[str](), 0
    left = [recording for recording in found if recording.size <= MOST_BYTES]
    while left:
        left.sort(key=lambda r: (max(kinds[f] for f in r.faults), shops[r.directory.parent.name], r.directory))
        best = left.pop(0)
        room = OF_A_KIND + (NO_CAUSE in best.faults)
        if any(kinds[fault] >= room for fault in best.faults) or total + best.size > MOST_BYTES_IN_ALL:
            continue
        kinds.update(best.faults)
        shops[best.directory.parent.name] += 1
        total += best.size
        yield best


def ship(root: Path, to: Path) -> list[Recording]:
    """Copies a balanced choice; what lies there already is replaced."""
    chosen = list(choose(recordings(root)))
    shutil.rmtree(to, ignore_errors=True)
    for recording in chosen:
        shutil.copytree(recording.directory, to / recording.directory.parent.name / recording.directory.name)
    return chosen
