"""Labelled cases: where they lie, and what was really broken. Only evaluation and training open truth.json."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from service.domain.component import Component, ComponentKind
from service.domain.fault import Fault
from service.errors import CaseError
from service.grader.truth import TrueCause, Truth
from service.stores.validation import first_fault, name_of

NO_CAUSE = "none"
"""How the service and the fault of a case are called in which nothing was wrong."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Cases that are nearly copies of each other: intervals are drawn over these, not over cases."""

    system: str
    service: str
    fault: str


def find_cases(roots: Iterable[Path]) -> tuple[Path, ...]:
    """Every directory at or below the roots that holds a case.json, in the order of their paths, each once.

    Raises `CaseError` for a root that is no directory and where no case lies below any of them.
    """
    found: set[Path] = set()
    searched = tuple(roots)
    for root in searched:
        if not root.is_dir():
            raise CaseError(f"{root}: is no directory; give one that holds cases (case.json) at any depth")
        found.update(Path(here) for here, _, files in os.walk(root) if "case.json" in files)
    if not found:
        raise CaseError(f"{', '.join(map(str, searched)) or 'no directory given'}: no case.json at any depth")
    return tuple(sorted(found))


def read_truth(directory: Path) -> Truth:
    """What truth.json says was broken. Raises `CaseError`, one line, if it cannot be read as case/1."""
    path = directory / "truth.json"
    try:
        told = _TruthFile.model_validate_json(path.read_bytes())
    except OSError as error:
        raise CaseError(f"{path}: cannot be read ({error.strerror}), and a case is graded by it") from None
    except ValidationError as error:
        raise CaseError(f"{path}: {first_fault(error)}") from None
    return Truth(tuple(TrueCause(Component(cause.kind, name_of(cause.name)), cause.fault) for cause in told.causes))


class _CauseFile(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)
    kind: ComponentKind
    name: str
    fault: Fault


class _TruthFile(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)
    causes: tuple[_CauseFile, ...]
