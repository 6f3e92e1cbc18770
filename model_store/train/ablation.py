"""``hypocenter-models ablate``: what each part of a stage's reward is for, by leaving it out.

The stage is learned again from the same start, on the same incidents and with the same chance, once as it is and once
for each part without what that part pays. All of them, and the network that they began with, then sit the same exam
and are paid by the whole grader, so that every part is seen in all of them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from model_store.evaluate.bootstrap import compare
from model_store.train.exam import Paper, accuracy
from model_store.train.log import Say
from model_store.train.network import Llama
from model_store.train.recipe import GrpoPart
from model_store.train.run import Run
from service.errors import CallerError

START, WHOLE = "start", "whole"

Column = Callable[[Paper], float]

COLUMNS: dict[str, Column] = {
    "rank": lambda paper: paper.graded.parts["rank"],
    "way": lambda paper: paper.graded.parts["way"],
    "made up": lambda paper: paper.graded.parts["made_up"],
    "fault": lambda paper: paper.graded.parts["fault"],
    "proof": lambda paper: paper.graded.parts["proof"],
    "frames": lambda paper: paper.figures["frames"],
    "turns": lambda paper: paper.figures["turns"],
}
"""What is told of every network: the parts of the reward that the exams' greedy play can vary in, and its length."""


@dataclass(frozen=True, slots=True)
class Row:
    """One network and its papers, in the order of the exam's pool."""

    label: str
    papers: Sequence[Paper]


def ablate(run: Run, stage: str, steps: int | None, rate: float | None, say: Say) -> list[Row]:
    """Learn the variants of one stage of a run, each of so many steps at such a peak rate (else the stage's own), and
    let all sit its exam. Few steps need a higher rate, to tell the variants apart.

    Raises `CallerError` for a stage that pays nothing, or whose start is not there.
    """
    part = run.recipe.stage(stage) if stage in run.recipe.stage_names else None
    if not isinstance(part, GrpoPart):
        paying = ", ".join(p.name for p in run.recipe.stages)
        raise CallerError(
            f"{stage}: is no stage of recipe {run.recipe.name} that pays for anything; there are {paying}"
        )
    paced = part.rate if rate is None else part.rate.model_copy(update={"peak": rate})
    shorter = part.model_copy(update={"steps": steps or part.steps, "rate": paced})
    sitting = run.sitting(part)
    rows = list[Row]()
    for label, network in _networks(run, shorter):
        rows.append(Row(label, sitting.papers(network)))
        say(f"{label}: examined")
    return rows


def variants(part: GrpoPart) -> dict[str, GrpoPart]:
    """The stage as it is, and without what each part pays."""
    without = {f"without-{name}": _without(part, name) for name, weight in part.pay.weights.items() if weight > 0}
    return {WHOLE: part, **without}


def table(rows: Sequence[Row]) -> Iterator[str]:
    """Lines of a Markdown table. A star: by a paired bootstrap over incidents, the 95 % interval of the difference from
    the whole reward leaves out 0.
    """
    whole = next(row for row in rows if row.label == WHOLE)
    yield "| reward | AC@1 | AC@3 | MRR | " + " | ".join(COLUMNS) + " |"
    yield "|" + " --- |" * (4 + len(COLUMNS))
    for row in rows:
        scores = accuracy([(paper.grade, paper.has_cause) for paper in row.papers])
        first = f"{scores['ac@1']:.3f}{_star(row, whole, lambda p: float(p.grade.right_at(1)))}"
        cells = [first, f"{scores['ac@3']:.3f}", f"{scores['mrr']:.3f}"]
        cells += [_cell(row, whole, column) for column in COLUMNS.values()]
        yield f"| {row.label.replace('-', ' ', 1)} | " + " | ".join(cells) + " |"


def _networks(run: Run, part: GrpoPart) -> Iterator[tuple[str, Llama]]:
    yield START, run.start(part.name)
    for label, variant in variants(part).items():
        yield label, run.variant(variant, label)


def _without(part: GrpoPart, name: str) -> GrpoPart:
    weights = {other: 0.0 if other == name else weight for other, weight in part.pay.weights.items()}
    return part.model_copy(update={"pay": part.pay.model_copy(update={"weights": weights})})


def _cell(row: Row, whole: Row, column: Column) -> str:
    mean = sum(map(column, row.papers)) / max(1, len(row.papers))
    return f"{mean:.3f}{_star(row, whole, column)}"


def _star(row: Row, whole: Row, column: Column) -> str:
    found = compare([*map(column, row.papers)], [*map(column, whole.papers)], range(len(whole.papers)))
    apart = found is not None and (found.difference.low > 0 or found.difference.high < 0)
    return "*" if apart else ""
