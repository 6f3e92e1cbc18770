"""Pictures of a run, drawn from its log: one PNG a stage, one panel a question that one asks of a run."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from model_store.train.log import EVALUATION, FILE_NAME, STEP, Record, read
from service.errors import CallerError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SFT_PANELS = {
    "loss (nats a choice)": ("loss",),
    "choices as the oracle's": ("right",),
    "learning rate": ("learning_rate",),
    "gradient": ("gradient",),
    "tokens a second": ("tokens_per_s",),
}
GRPO_PANELS = {
    "reward": ("reward", "reward_deviation"),
    "parts of the reward": (
        *("reward_rank", "reward_recall", "reward_way", "reward_made_up"),
        *("reward_exploration", "reward_fault", "reward_proof"),
    ),
    "format": ("malformed", "forced", "equal_groups"),
    "verdicts of children": ("verdicts_right",),
    "length (frames, turns)": ("frames", "turns"),
    "depth": ("depth",),
    "completion tokens": ("completion_tokens",),
    "KL to the reference, entropy (nats a choice)": ("kl", "entropy"),
    "clipped share": ("clipped",),
    "seconds": ("rollout_seconds", "seconds"),
}
EXAM_PANEL = "held-back incidents, model alone"
EXAM_SCORES = ("ac@1", "ac@3", "mrr")
COLUMNS = 3
SMOOTHED = 20
"""Points over which a thick line is the mean, where there are more than that."""


def draw(run: Path, stage: str) -> Path:
    """A picture of a stage from the run's log, beside it. Raises `CallerError` where the log knows nothing of it."""
    records = [record for record in read(run / FILE_NAME) if record["stage"] == stage]
    if not records:
        raise CallerError(f"{run / FILE_NAME}: holds no lines of {stage}; give a run that has made a step of it")
    return _picture(run, stage, records)


def _picture(run: Path, stage: str, records: Sequence[Record]) -> Path:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    steps = [r for r in records if r["kind"] == STEP]
    exams = [r for r in records if r["kind"] == EVALUATION]
    panels = {
        title: names
        for title, names in (GRPO_PANELS if any("reward" in r for r in steps) else SFT_PANELS).items()
        if any(name in r for r in steps for name in names)
    }
    rows = -(-(len(panels) + 1) // COLUMNS)
    figure = Figure(figsize=(5 * COLUMNS, 3.2 * rows))
    figure.subplots_adjust(left=0.04, right=0.98, bottom=0.3 / rows / 3.2, top=1 - 0.6 / rows / 3.2, hspace=0.25)
    FigureCanvasAgg(figure)
    axes = [figure.add_subplot(rows, COLUMNS, place + 1) for place in range(len(panels) + 1)]
    for axis, (title, names) in zip(axes, panels.items(), strict=False):
        _panel(axis, title, steps, names)
    _panel(axes[-1], EXAM_PANEL, exams, EXAM_SCORES, marker="o")
    figure.suptitle(stage)
    file = run / f"{stage}.png"
    figure.savefig(file, dpi=110)
    return file


def _panel(axis: "Axes", title: str, records: Sequence[Record], names: Sequence[str], marker: str = "") -> None:
    axis.set_title(title, fontsize=10)
    axis.grid(alpha=0.3)
    for colour, name in enumerate(names):
        points = [(r["step"], r[name]) for r in records if name in r]
        if not points:
            continue
        steps, values = zip(*points, strict=True)
        smooth = len(values) > SMOOTHED and not marker
        axis.plot(steps, values, f"{marker}-", color=f"C{colour}", alpha=0.3 if smooth else 1, label=name)
        if smooth:
            axis.plot(steps, _means(values), color=f"C{colour}", lw=2)
    if axis.lines:
        axis.legend(fontsize=7)


def _means(values: Sequence[float]) -> list[float]:
    """Each value's mean with those before it."""
    return [sum(values[max(0, i - SMOOTHED + 1) : i + 1]) / min(i + 1, SMOOTHED) for i in range(len(values))]
