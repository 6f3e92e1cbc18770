"""Incidents to train on, computed once and kept: shards of compressed incidents in a directory, read one at a time.

A directory holds ``plan.json`` (what was asked for) and ``shard-00000.zip``, …: each incident a member, and an index.
A shard is written aside and renamed into place, so that making a pool can be broken off and taken up again.
"""

import json
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from model_store.train.incidents import PooledIncident, from_bytes, to_bytes
from service.errors import CallerError

PLAN = "plan.json"
_INDEX = "index.json"
_SHARDS = "shard-*.zip"


class Entry(BaseModel):
    """What is known of a pooled incident without reading it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    key: str
    family: str
    faults: tuple[str, ...]
    services: int


@dataclass(frozen=True, slots=True)
class Pool(Sequence[PooledIncident]):
    """Incidents in their order; each is read when it is asked for, and kept by nobody."""

    entries: tuple[Entry, ...]
    shards: tuple[Path, ...]  # of each entry the file that holds it

    @classmethod
    def open(cls, directory: Path) -> "Pool":
        """The pool in a directory. Raises `CallerError`, one line, where there is none."""
        files = sorted(directory.glob(_SHARDS))
        if not files:
            raise CallerError(f"{directory}: is no pool of incidents; there is no {_SHARDS} in it")
        found = [(entry, file) for file in files for entry in _index(file)]
        return cls(tuple(entry for entry, _ in found), tuple(file for _, file in found))

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, place: int) -> PooledIncident:  # pyright: ignore[reportIncompatibleMethodOverride]
        with _opened(self.shards[place]) as archive:
            return from_bytes(archive.read(_member(self.entries[place].key)))

    def __iter__(self) -> Iterator[PooledIncident]:
        return (self[place] for place in range(len(self)))

    def where(self, keep: Callable[[Entry], bool]) -> "Pool":
        """The incidents that are wanted, in their order."""
        kept = [place for place, entry in enumerate(self.entries) if keep(entry)]
        return self.picked(kept)

    def picked(self, places: Iterable[int]) -> "Pool":
        """The incidents in these places."""
        wanted = list(places)
        return Pool(tuple(self.entries[p] for p in wanted), tuple(self.shards[p] for p in wanted))


def shard_file(directory: Path, number: int) -> Path:
    """Where a shard lies."""
    return directory / f"shard-{number:05d}.zip"


def write_shard(file: Path, incidents: Iterable[PooledIncident]) -> int:
    """Write a shard, all of it or nothing; how many incidents it holds."""
    aside = file.with_suffix(f".{os.getpid()}.partial")
    entries: list[dict[str, object]] = []
    with zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for incident in incidents:
            archive.writestr(zipfile.ZipInfo(_member(incident.key)), to_bytes(incident), zipfile.ZIP_DEFLATED)
            entries.append(_entry(incident).model_dump())
        archive.writestr(zipfile.ZipInfo(_INDEX), json.dumps(entries), zipfile.ZIP_DEFLATED)
    aside.replace(file)
    return len(entries)


def claim(directory: Path, plan: str) -> None:
    """Make the directory a pool of this plan (a line of JSON). Raises `CallerError` where it is one of another plan."""
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / PLAN
    if file.exists():
        if (there := file.read_text(encoding="utf-8").strip()) != plan:
            raise CallerError(
                f"{directory}: holds a pool of another plan ({there}); give another directory, or its plan"
            )
    elif any(directory.iterdir()):
        raise CallerError(f"{directory}: is neither empty nor a pool of incidents; give a new directory")
    else:
        file.write_text(plan + "\n", encoding="utf-8")


def _entry(incident: PooledIncident) -> Entry:
    services = len(incident.view.graph.services)
    return Entry(key=incident.key, family=incident.family, faults=incident.faults, services=services)


def _member(key: str) -> str:
    return f"{key}.json"


def _opened(file: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except (OSError, zipfile.BadZipFile) as error:
        raise CallerError(f"{file}: is no shard of a pool: {error}") from None


_ENTRIES = TypeAdapter(tuple[Entry, ...])


def _index(file: Path) -> tuple[Entry, ...]:
    try:
        with _opened(file) as archive:
            return _ENTRIES.validate_json(archive.read(_INDEX))
    except (KeyError, ValidationError):
        raise CallerError(f"{file}: has no index of incidents; remove it, and it is made again") from None
