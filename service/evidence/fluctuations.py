"""Time series that left the range of their baseline: how far, which way, and since when."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from service.domain.component import Component, ComponentKind, service
from service.domain.evidence import Evidence, EvidenceKind, Signal
from service.evidence.constants import (
    COUNTER_RISES,
    DRIFT_OF_METRIC,
    FLOOR_BESIDE_PEERS,
    FLOW_FLOOR,
    LEAST_BASELINE,
    LEAST_REFERENCE,
    LONE_PART,
    MIN_PEERS,
    SCORE_LIMIT,
    SCORE_SHOWN,
    SMALL_SAMPLE,
    STARTING_S,
    UNIT_FLOORS,
    USUAL_LEVEL,
    USUAL_OTHERWISE,
    USUAL_PART,
)
from service.evidence.instances import SIBLINGS
from service.evidence.lineage import Floats, codes
from service.evidence.metric_class import metric_class
from service.evidence.stretch import Stretch
from service.evidence.tables import Compared
from service.evidence.units import bytes_per_second

LEAST_FLOOR = 1e-9
"""No smaller level is told from none."""

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


def _quantile(ordered: Floats, q: float) -> float:
    """The q-quantile of sorted values, interpolated; numpy's own takes a hundred times as long on a few dozen."""
    position = (len(ordered) - 1) * q
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return float(ordered[below] + (ordered[above] - ordered[below]) * (position - below))


@dataclass(frozen=True, slots=True)
class _Past:
    """What a series is compared with: the median, of the values and of their logarithms, and how widely these vary."""

    median: float
    centre: float
    scale: float
    count: int


class Peers:
    """The series of one metric, by components; what they are compared with is computed once for all comparisons."""

    def __init__(self, series: Sequence[Series]) -> None:
        self.series = series
        medians = [abs(_quantile(np.sort(one.before), 0.5)) for one in series if len(one.before)]
        self.usual = float(np.median(medians)) if len(medians) >= MIN_PEERS else 0.0
        self.floor = _floor(series, self.usual)
        self.siblings: dict[str, list[Series]] = {}
        for one in series:
            if one.kind == ComponentKind.POD and one.service and len(one.before):
                self.siblings.setdefault(one.service, []).append(one)
        self._own: dict[int, _Past | None] = {}

    def past(self, position: int, reference: Stretch | None) -> tuple[_Past | None, bool]:
        """What the series at a position is compared with, None where that is too short, and whether it is its own."""
        one = self.series[position]
        siblings = self.siblings.get(one.service, ())
        if reference is None:
            own = bool(len(one.before)) or not siblings
            if position not in self._own:
                values = one.before if own else np.concatenate([sibling.before for sibling in siblings])
                self._own[position] = _past(values, self.floor, LEAST_BASELINE)
            return self._own[position], own
        values = one.now[reference.of(one.now_s)]
        own = len(values) >= LEAST_REFERENCE or not siblings or bool(len(one.before))
        if not own:
            values = np.concatenate([sibling.now[reference.of(sibling.now_s)] for sibling in siblings])
        return _past(values, self.floor, LEAST_REFERENCE), own


def peers_of(all_series: Iterable[Series]) -> list[Peers]:
    """Series of the same metric and kind of component together."""
    by_metric: dict[tuple[str, str], list[Series]] = {}
    for series in all_series:
        by_metric.setdefault((series.kind, series.metric), []).append(series)
    return [Peers(series) for series in by_metric.values()]


def _past(values: Floats, floor: float, least: int) -> _Past | None:
    if len(values) < least:
        return None
    ordered = np.sort(values)
    logs = _logarithm(ordered, floor)  # in order, too
    centre = _quantile(logs, 0.5)
    deviations = np.sort(np.abs(logs - centre))
    scale = max(1.4826 * _quantile(deviations, 0.5), _quantile(deviations, 0.8) / 1.2816)
    return _Past(_quantile(ordered, 0.5), centre, scale * (1 + SMALL_SAMPLE / len(values)), len(values))


def metric_evidence(all_peers: Iterable[Peers], after: Stretch, reference: Stretch | None = None) -> list[Evidence]:
    """A row for each series, its level in the stretch ``after`` against its baseline (or against the stretch
    ``reference`` of the window), less what its peers (the same metric, other components) did at the same time. A pod
    without a past of its own is compared with that of its siblings, less what these did.

    Levels are compared as logarithms, a floor added: what peers usually have, else what costs a request nothing.
    ``impact`` is the change in units of what is usual among peers. When it began is computed only of what moved so much
    that it may be shown.
    """
    return [row for peers in all_peers for row in _peer_rows(peers, after, reference)]


@dataclass(frozen=True, slots=True)
class _Level:
    """The median of a series now, its past, how far it moved on the scale of logarithms, and its error; ``own`` tells
    whether the past is its own.
    """

    series: Series
    own: bool
    past: _Past
    now: float
    moved: float
    error: float
    n_now: int


def _level(peers: Peers, position: int, after: Stretch, reference: Stretch | None) -> _Level | None:
    """None without samples on both sides. A stretch that lasts until now has at least the last sample: coarse series
    have no other yet.
    """
    series = peers.series[position]
    past, own = peers.past(position, reference)
    if past is None:
        return None
    running = after.of(series.now_s)
    if not own:
        started = running & (series.now_s >= series.now_s[0] + STARTING_S)
        running = started if started.any() else running
    now = np.sort(series.now[running])
    if not len(now) and after.end_s == math.inf:
        now = series.now[-1:]
    if not len(now):
        return None
    return _Level(
        series=series,
        own=own,
        past=past,
        now=_quantile(now, 0.5),
        moved=_quantile(_logarithm(now, peers.floor), 0.5) - past.centre,
        error=math.hypot(past.scale * math.sqrt(len(now) ** -0.5 + 1 / past.count), DRIFT_OF_METRIC),
        n_now=len(now),
    )


def _logarithm(values: Floats, floor: float) -> Floats:
    return np.sign(values) * np.log1p(np.abs(values) / floor)


def _floor(peers: Sequence[Series], usual: float) -> float:
    """What is added to all levels of a metric, in its unit."""
    byte_rate = bytes_per_second(1.0, peers[0].unit)
    of_unit = FLOW_FLOOR / byte_rate if byte_rate else UNIT_FLOORS.get(peers[0].unit, 0.0)
    if usual > 0:
        return max(USUAL_PART * usual, FLOOR_BESIDE_PEERS * of_unit, LEAST_FLOOR)
    largest = max((float(np.abs(one.before).max(initial=0.0)) for one in peers), default=0.0)
    return of_unit or max(LONE_PART * largest, LEAST_FLOOR)


def _peer_rows(peers: Peers, after: Stretch, reference: Stretch | None) -> Iterator[Evidence]:
    """Rows of one metric (with few peers nothing is held in common)."""
    measured = (_level(peers, position, after, reference) for position in range(len(peers.series)))
    levels = [level for level in measured if level is not None]
    of_all = float(np.median([one.moved for one in levels])) if len(levels) >= MIN_PEERS else 0.0
    for one in levels:
        theirs = [] if one.own else [x.moved for x in levels if x.own and x.series.service == one.series.service]
        common = float(np.median(theirs)) if theirs else of_all
        moved = one.moved - max(-abs(one.moved), min(common, abs(one.moved)))
        if moved * one.moved < 0:
            continue
        score = min(abs(moved / one.error), SCORE_LIMIT)
        yield Evidence(
            id="",
            signal=Signal.METRICS,
            kind=EvidenceKind.METRIC,
            component=_component(one.series),
            subject=one.series.metric,
            given="" if one.own else SIBLINGS,
            score=score,
            now=one.now,
            before=one.past.median,
            unit=one.series.unit,
            n_now=one.n_now,
            n_before=one.past.count,
            impact=abs(one.now - one.past.median) / peers.usual if peers.usual > LEAST_FLOOR else None,
            began_s=_began(one, peers.floor) if score >= SCORE_SHOWN else None,
            shift=moved,
            error=one.error,
            usual=USUAL_LEVEL.get(metric_class(one.series.metric, one.series.unit), USUAL_OTHERWISE),
        )


def _began(level: _Level, floor: float) -> float:
    """Seconds from the alert to the first sample of the window that had moved half as far as it did in the end."""
    series = level.series
    distance = _logarithm(series.now, floor) - math.copysign(
        math.log1p(abs(level.past.median) / floor), level.past.median
    )
    moved = np.flatnonzero(distance * np.sign(level.moved) >= 0.5 * abs(level.moved))
    return float(series.now_s[moved[0]]) if len(moved) else float(series.now_s[-1])


def _component(series: Series) -> Component:
    """What the series is about; of a kind that we do not know (a container, a volume), its service."""
    if series.kind in _KINDS:
        return Component(ComponentKind(series.kind), series.component)
    return service(series.service or series.component)
