"""Pictures of how simulated and recorded evidence is spread: a panel a feature, those first that tell most."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from model_store.realism.comparison import Comparison
from model_store.realism.features import OF_INCIDENT, OF_ROW, Described, Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANELS, COLUMNS = 16, 4
BINS = 24


def draw(
    out: Path, simulated: Sequence[Described], recorded: Sequence[Described], comparisons: Sequence[Comparison]
) -> list[Path]:
    """A picture of each comparison, below ``out``."""
    files: list[Path] = []
    for name, names, comparison in zip(("rows", "incidents"), (OF_ROW, OF_INCIDENT), comparisons, strict=True):
        values = [_columns(name, incidents) for incidents in (simulated, recorded)]
        files.append(out / f"{name}.png")
        _picture(files[-1], comparison, names, *values)
    return files


def _columns(name: str, incidents: Sequence[Described]) -> Floats:
    if name == "incidents":
        return np.array([incident.whole for incident in incidents])
    return np.concatenate([incident.rows for incident in incidents])


def _picture(file: Path, comparison: Comparison, names: Sequence[str], simulated: Floats, recorded: Floats) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = comparison.telling[:PANELS]
    figure = Figure(figsize=(4 * COLUMNS, 2.8 * -(-len(shown) // COLUMNS)), layout="constrained")
    FigureCanvasAgg(figure)
    for place, telling in enumerate(shown):
        axis = figure.add_subplot(-(-len(shown) // COLUMNS), COLUMNS, place + 1)
        column = names.index(telling.name)
        _panel(axis, f"{telling.name} (AUC {telling.auc:.2f})", simulated[:, column], recorded[:, column])
    figure.suptitle(f"told by {comparison.what}: AUC {comparison.auc_of_behaviour:.3f}")
    figure.savefig(file, dpi=100)


def _panel(axis: "Axes", title: str, simulated: Floats, recorded: Floats) -> None:
    axis.set_title(title, fontsize=9)
    both = np.concatenate([simulated, recorded])
    edges = np.linspace(float(both.min()), float(np.quantile(both, 0.99)) + 1e-9, BINS + 1)
    for values, label in ((simulated, "simulated"), (recorded, "recorded")):
        shares = np.histogram(np.minimum(values, edges[-1]), edges)[0] / max(len(values), 1)
        axis.stairs(shares, edges, label=label)
    axis.legend(fontsize=7)
