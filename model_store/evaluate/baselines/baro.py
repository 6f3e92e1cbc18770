"""BARO's scorer (Pham et al., FSE 2024), as its authors publish it: PyPI ``fse-baro``, an evaluation extra.

Only its robust scorer: per metric the baseline's median and interquartile range, and the largest value of the window
in them. Its change point detection is not used, the windows are known here. It reads metrics only.
"""

import pyarrow as pa

from model_store.evaluate.baselines.series import counted_for
from service.domain.component import Component
from service.view.view import View

STEP = "60s"
"""The scorer needs one row for all series at a time: points are put on a grid of this step, gaps filled from beside."""

KEYS = ["kind", "component", "service", "metric"]


def baro(view: View) -> dict[Component, float]:
    """A component stands where its best metric stands in the scorer's order."""
    metrics = view.tables.metrics
    if metrics is None or metrics.before is None or not metrics.now.num_rows or not metrics.before.num_rows:
        return {}
    order = _scorer_order(metrics.now, metrics.before)
    best: dict[Component, float] = {}
    for place, (kind, component, owner, _) in enumerate(order):
        best.setdefault(counted_for(kind, component, owner), -float(place))
    return best


def _scorer_order(now: pa.Table, before: pa.Table) -> list[tuple[str, str, str, str]]:
    """The keys of the metrics, most suspicious first."""
    import pandas as pd
    from baro.root_cause_analysis import robust_scorer

    wide = [_on_grid(table.to_pandas()) for table in (before, now)]
    shared = wide[0].columns.intersection(wide[1].columns)
    both = pd.concat([table[shared].ffill().bfill() for table in wide]).dropna(axis="columns")
    keys = list(both.columns)
    if not keys:
        return []
    both.columns = [f"s{place}" for place in range(len(keys))]
    both.insert(0, "time", range(len(both)))
    ranks = robust_scorer(both.reset_index(drop=True), anomalies=[len(wide[0])])["ranks"]
    return [keys[int(name[1:])] for name in ranks]


def _on_grid(frame):
    return frame.pivot_table(index=frame["time"].dt.floor(STEP), columns=KEYS, values="value", aggfunc="mean")
