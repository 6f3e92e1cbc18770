"""Ranks of an earlier rank on the same cases, kept so that a later one can be compared with it case by case."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from model_store.evaluate.results import Answer, Evaluation
from model_store.evaluate.scores import of_rank
from service.errors import CallerError


@dataclass(frozen=True, slots=True)
class Earlier:
    """For each case, by its id, at which place that rank had the truth (None: nowhere)."""

    name: str
    ranks: Mapping[str, int | None]


def read_earlier(file: Path) -> Earlier:
    """A file that ``evaluate --json`` wrote. Raises `CallerError` if it is none."""
    try:
        cases = cast(list[Mapping[str, str | int | None]], json.loads(file.read_text(encoding="utf-8"))["per_case"])
        ranks = {str(case["id"]): cast(int | None, case["rank"]) for case in cases}
    except OSError as error:
        raise CallerError(f"--earlier {file}: cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise CallerError(f"--earlier {file}: no figures; give a file that evaluate --json wrote") from None
    return Earlier(file.stem, ranks)


def add_earlier(evaluation: Evaluation, earlier: Earlier) -> None:
    """Give every case the earlier rank's answer. Raises `CallerError` for a case that it does not know."""
    for result in evaluation.results:
        if result.id not in earlier.ranks:
            raise CallerError(f"--earlier {earlier.name}: has no rank of case {result.id}; give it the same cases")
        rank = earlier.ranks[result.id]
        scores = of_rank(rank) if result.truth else None
        result.answers[earlier.name] = Answer(scores=scores, rank=rank, causes=(), seconds=0.0)
