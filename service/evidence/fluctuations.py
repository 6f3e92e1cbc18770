"""Time series that left the range of their baseline: how far, which way, and since when."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from service.domain.component import Component, ComponentKind, service
from service.domain.evidence import Evidence, EvidenceKind, Signal
from service.evidence.constants import COUNTER_RISES, DRIFT_OF_METRIC, MIN_PEERS, SCORE_LIMIT, SCORE_SHOWN, SMALL_SAMPLE
from service.evidence.spans import Floats, codes
from service.evidence.tables import Compared

LARGEST = 1e100
"""Nothing measured is larger; differences and sums of what claims to be would be no numbers."""

_KINDS = frozenset(ComponentKind)
_COUNTER_SUFFIXES = ("_total", "_count", "_sum", "_bucket")


@dataclass(frozen=True)
class Series:
    """One time series: seconds relative to the alert and values, now and before, in the order of time."""

    component: str
    kind: str
    service: str
    metric: str
    unit: str
    now_s: Floats
    now: Floats
    before_s: Floats
    before: Floats


@dataclass(frozen=True)
class Fluctuation:
    """How a series moved: level now (in its worst stretch) and before, the signed score, and the stretch's start."""

    now: float
    before: float
    score: float
    began_s: float


def read_series(compared: Compared, alerted_at_us: int) -> Iterator[Series]:
    """The series that have values in the window, in the order of their first appearance; counters become rates."""
    table = compared.together
    is_now = np.arange(len(table)) < len(compared.now)
    columns = {name: codes(table[name]) for name in ("component", "kind", "metric", "service", "unit")}
    key = columns["component"][0] * len(columns["metric"][1]) + columns["metric"][0]
    seconds = (np.asarray(table["time"].cast(pa.int64())) - alerted_at_us) / 1e6
    values = np.asarray(table["value"], dtype=np.float64)
    values = np.where(np.isfinite(values), np.clip(values, -LARGEST, LARGEST), values)
    finite = np.isfinite(values)
    order = np.lexsort((seconds, key))
    order = order[finite[order]]
    for rows in np.split(order, np.flatnonzero(np.diff(key[order])) + 1):
        now, before = rows[is_now[rows]], rows[~is_now[rows]]
        if len(now):
            first = rows[0]
            texts = {name: names[code[first]] for name, (code, names) in columns.items()}
            series = Series(
                **texts, now_s=seconds[now], now=values[now], before_s=seconds[before], before=values[before]
            )
            yield _rated(series) if _is_counter(series) else series


def _is_counter(series: Series) -> bool:
    """Whether it is named like a counter and rises like one; gauges are called so too."""
    if not series.metric.endswith(_COUNTER_SUFFIXES):
        return False
    steps = np.concatenate([np.diff(series.before), np.diff(series.now)])
    return len(steps) > 0 and float((steps >= 0).mean()) >= COUNTER_RISES


def _rate(seconds: Floats, values: Floats) -> tuple[Floats, Floats]:
    steps, rises = np.diff(seconds), np.diff(values)
    rises = np.where(rises < 0, values[1:], rises)  # a counter that restarted counts from zero
    return seconds[1:], rises / np.maximum(steps, 1e-3)


def _rated(series: Series) -> Series:
    """A counter as its rate per second."""
    now_s, now = _rate(series.now_s, series.now)
    before_s, before = _rate(series.before_s, series.before)
    unit = f"{series.unit or '1'}/s"
    return Series(series.component, series.kind, series.service, series.metric, unit, now_s, now, before_s, before)


def _smooth(values: Floats, width: int) -> Floats:
    """Means of ``width`` neighbours; shorter input gives its whole mean."""
    width = min(width, len(values))
    return np.convolve(values, np.ones(width) / width, mode="valid")


def _quantile(ordered: Floats, q: float) -> float:
    """The q-quantile of sorted values, interpolated; numpy's own takes a hundred times as long on a few dozen."""
    position = (len(ordered) - 1) * q
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return float(ordered[below] + (ordered[above] - ordered[below]) * (position - below))


def fluctuation(series: Series) -> Fluctuation | None:
    """The worst stretch of the window against the baseline's median, in robust standard deviations.

    The scale is the largest of: the median absolute deviation, the excursion that a fifth of the baseline exceeds
    (noise with heavy tails), and a part of the level. A stretch is at least two samples where there are two: one
    sample alone is often wrong. None without samples on both sides.
    """
    if len(series.before) < 3 or not len(series.now):
        return None
    width = max(2, len(series.now) // 8)
    centre = _quantile(np.sort(series.before), 0.5)
    deviations = np.sort(np.abs(_smooth(series.before, min(width, 3)) - centre))
    level = max(abs(centre), float(np.abs(series.before).max()) * 0.1)
    scale = max(
        1.4826 * _quantile(deviations, 0.5),
        _quantile(deviations, 0.8) / 1.2816,
        DRIFT_OF_METRIC * level,
        1e-9,
    ) * (1 + SMALL_SAMPLE / len(series.before))
    smooth = _smooth(series.now, width)
    worst = int(np.argmax(np.abs(smooth - centre)))
    score = float((smooth[worst] - centre) / scale)
    return Fluctuation(
        float(smooth[worst]), centre, float(np.clip(score, -SCORE_LIMIT, SCORE_LIMIT)), _began(series, centre, scale)
    )


def _began(series: Series, centre: float, scale: float) -> float:
    """Seconds from the alert to the first sample out of range (three standard deviations, or the farthest of all)."""
    distance = np.abs(series.now - centre)
    out = np.flatnonzero(distance > min(3 * scale, float(distance.max()) * 0.999))
    return float(series.now_s[out[0]]) if len(out) else float(series.now_s[0])


def metric_evidence(compared: Compared, alerted_at_us: int) -> list[Evidence]:
    """A row for each series that left the range of its baseline further than the same metric did elsewhere.

    ``impact`` is the change in units of what is usual for the metric among its peers: a cpu that rises from nothing to
    a tenth of what others use is a large ratio and a small matter.
    """
    moved: dict[tuple[str, str], list[tuple[Series, Fluctuation]]] = {}
    for series in read_series(compared, alerted_at_us):
        if found := fluctuation(series):
            moved.setdefault((series.kind, series.metric), []).append((series, found))
    return [row for peers in moved.values() for row in _peer_rows(peers)]


def _component(series: Series) -> Component:
    """What the series is about; of a kind that we do not know (a container, a volume), its service."""
    if series.kind in _KINDS:
        return Component(ComponentKind(series.kind), series.component)
    return service(series.service or series.component)


def _peer_rows(peers: list[tuple[Series, Fluctuation]]) -> Iterator[Evidence]:
    """Rows of one metric, against what its peers did at the same time (with few peers nothing is held in common)."""
    enough = len(peers) >= MIN_PEERS
    common = float(np.median([f.score for _, f in peers])) if enough else 0.0
    usual = float(np.median([abs(f.before) for _, f in peers])) if enough else 0.0
    for series, found in peers:
        score = found.score - float(np.clip(common, -abs(found.score), abs(found.score)))
        if abs(score) < SCORE_SHOWN or (score > 0) != (found.now > found.before):
            continue
        yield Evidence(
            id="",
            signal=Signal.METRICS,
            kind=EvidenceKind.METRIC,
            component=_component(series),
            subject=series.metric,
            score=min(abs(score), SCORE_LIMIT),
            now=found.now,
            before=found.before,
            unit=series.unit,
            n_now=len(series.now),
            n_before=len(series.before),
            impact=abs(found.now - found.before) / usual if usual > 0 else None,
            began_s=found.began_s,
        )
