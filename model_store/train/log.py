"""The log of a run: one JSON object a line, from which plots are drawn and a person sees how it goes.

Every line has ``stage``, ``step`` and ``kind``: "step" or "evaluation". A resumed run first drops the lines of steps
that its checkpoint does not know, so that every step stands there once.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

FILE_NAME = "log.jsonl"
STEP, EVALUATION = "step", "evaluation"

HEADLINES = (
    "loss",
    "right",
    "reward",
    "equal_groups",
    "malformed",
    "turns",
    "kl",
    "entropy",
    "tokens_per_s",
    "seconds",
)
"""Of a step's figures those that are said; the file has all."""

Record = dict[str, object]
Say = Callable[[str], None]


def silent(line: str) -> None:
    """Say nothing."""


@dataclass(frozen=True, slots=True)
class StageLog:
    """The lines of one stage of a run."""

    file: Path
    stage: str
    say: Say = silent

    def rewind(self, step: int) -> None:
        """Forget this stage's lines of steps from this one on, evaluations of a later state too."""
        kept = [r for r in read(self.file) if r["stage"] != self.stage or not _is_after(r, step)]
        self.file.parent.mkdir(parents=True, exist_ok=True)
        aside = self.file.with_name(self.file.name + ".part")
        aside.write_text("".join(f"{json.dumps(record)}\n" for record in kept))
        aside.replace(self.file)

    def write(self, kind: str, step: int, figures: Mapping[str, object], note: str = "") -> None:
        """Add a line, and say it in short; ``note`` is only said."""
        record: Record = {"stage": self.stage, "step": step, "kind": kind, **figures}
        with self.file.open("a") as file:
            file.write(json.dumps(record) + "\n")
        names = figures if kind == EVALUATION else HEADLINES
        told = ", ".join(f"{n} {_short(v)}" for n in names if isinstance(v := figures.get(n), int | float))
        self.say(f"{self.stage} {step} {note or kind}: {told}")


def read(file: Path) -> list[Record]:
    """The lines of a log; none where there is none. A line that was cut off by a crash is left out."""
    if not file.exists():
        return []
    records: list[Record] = []
    for line in file.read_text().splitlines():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return records


def _is_after(record: Record, step: int) -> bool:
    """Whether a line belongs to a state later than the one before step ``step``: an evaluation is of the state that it
    names, a step's line tells of the step that led from it.
    """
    at = record["step"]
    return isinstance(at, int) and (at > step if record["kind"] == EVALUATION else at >= step)


def _short(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.4g}"
