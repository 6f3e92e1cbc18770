"""Ranks of an earlier rank on the same cases, kept so that a later one can be compared with it case by case."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from model_store.evaluate.results import Answer, Evaluation
from model_store.evaluate.scores import of_rank
from service.errors import CallerError


@dataclass(frozen=True, slots=True)
class Earlier:
    """For each case, by its id, at which place that rank had the truth (None: nowhere), and, where the figures tell,
    what it named first (None: nothing).
    """

    name: str
    ranks: Mapping[str, int | None]
    firsts: Mapping[str, str | None]


def read_earlier(file: Path) -> Earlier:
    """A file that ``evaluate --json`` wrote. Raises `CallerError` if it is none."""
    try:
        cases = cast(list[Mapping[str, Any]], json.loads(file.read_text(encoding="utf-8"))["per_case"])
        ranks: dict[str, int | None] = {str(case["id"]): case["rank"] for case in cases}
        firsts: dict[str, str | None] = {
            str(case["id"]): next(iter(case["causes"]), None) for case in cases if "causes" in case
        }
    except OSError as error:
        raise CallerError(f"--earlier {file}: cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise CallerError(f"--earlier {file}: no figures; give a file that evaluate --json wrote") from None
    return Earlier(file.stem, ranks, firsts)


def add_earlier(evaluation: Evaluation, earlier: Earlier) -> None:
    """Give every case the earlier rank's answer. Raises `CallerError` for a case that it does not know."""
    for result in evaluation.results:
        if result.id not in earlier.ranks:
            raise CallerError(f"--earlier {earlier.name}: has no rank of case {result.id}; give it the same cases")
        rank = earlier.ranks[result.id]
        scores = of_rank(rank) if result.truth else None
        result.answers[earlier.name] = Answer(scores=scores, rank=rank, causes=(), seconds=0.0)


def agreement(evaluation: Evaluation, method: str, earlier: Earlier) -> str:
    """In how many cases with a cause a method names the same component first; "" where the figures do not tell."""
    known = [result for result in evaluation.results if result.truth and result.id in earlier.firsts]
    if not known:
        return ""
    same = sum(next(iter(r.answers[method].causes), None) == earlier.firsts[r.id] for r in known)
    return f"{method} names the same component first as {earlier.name} in {same} of {len(known)} cases with a cause."
