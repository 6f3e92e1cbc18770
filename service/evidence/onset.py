"""When it began, as the telemetry tells, and how exactly; an alert fires after its rule has waited, so its own time is
late.

Every signal is asked where in the window it splits best into a time like the baseline and a time further from it: what
it gains by two levels instead of one, less what it loses by a time before that is not like the baseline. The log
likelihoods of a split are added up (each signal and each component capped, so that none decides alone), and together
with how late alerts usually are they say how likely each moment is. Where all of the window is bad, that is its begin.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from service.evidence import constants as c
from service.evidence.fluctuations import Series
from service.evidence.lineage import Bools, Floats, Ints
from service.evidence.lines import Lines
from service.evidence.reading import Reading
from service.evidence.spans import Spans, places


@dataclass(frozen=True, slots=True)
class Onset:
    """When it began, in seconds from the alert: hardly before ``earliest_s``, probably after ``early_s``, as likely
    before as after ``likely_s``. ``seen`` tells whether any signal shows it; else it is how late alerts usually are.
    """

    earliest_s: float
    early_s: float
    likely_s: float
    seen: bool


def estimate_onset(reading: Reading) -> Onset:
    """The onset by all signals that have a baseline."""
    moments_s = _moments(reading.begin_s, reading.end_s)
    size = len(moments_s)
    gains = _of_series(reading.series, moments_s)
    if reading.spans is not None:
        seconds = (reading.spans.start_us - reading.alerted_at_us) / 1e6
        steps = np.clip(np.searchsorted(moments_s, seconds, side="right") - 1, 0, size - 1)
        of_services = _of_times(reading.spans, steps, size) + _of_errors(reading.spans, steps, size)
        if reading.lines is not None:
            of_services += _of_lines(reading.spans, reading.lines, steps, size)
        gains += _at_most(of_services, c.MOST_OF_ONE).sum(axis=0)
    most = float(np.abs(gains).max())
    evidence = gains * min(c.SIGNALS_ARE_ALIKE, c.MOST_OF_ALL / max(most, 1e-9)) + _prior(moments_s)
    likelihoods = np.exp(evidence - evidence.max())
    reached = np.cumsum(likelihoods / likelihoods.sum())

    def quantile(share: float) -> float:
        return float(moments_s[min(int(np.searchsorted(reached, share)), size - 1)])

    earliest, early, likely = (quantile(share) for share in c.ONSET_QUANTILES)
    return Onset(earliest - c.ONSET_MARGIN_S, early, likely, float(gains.max()) > c.LEAST_SEEN)


def _moments(begin_s: float, end_s: float) -> Floats:
    """The moments that are compared, at most `MOST_STEPS` or one more; counted from the alert, so that one more row at
    the window's beginning moves none of them.
    """
    step_s = c.ONSET_STEP_S * max(1, math.ceil((end_s - begin_s) / c.ONSET_STEP_S / c.MOST_STEPS))
    first = math.floor(begin_s / step_s)
    return step_s * (first + np.arange(max(math.ceil(end_s / step_s) - first, 2), dtype=np.float64))


def _prior(moments_s: Floats) -> Floats:
    """The logarithm of how likely an alert fires so long after the onset (lognormal); that it fired before (another
    alert of the group, a clock that is wrong) is less likely, and possible.
    """
    late_s = np.maximum(-moments_s, c.ONSET_STEP_S)
    likely = -0.5 * (np.log(late_s / c.USUAL_DELAY_S) / c.SPREAD_OF_DELAY) ** 2 - np.log(late_s)
    return likely - np.where(moments_s > 0, c.ALERT_BEFORE_ONSET, 0.0)


def _of_times(spans: Spans, steps: Ints, size: int) -> Floats:
    """Executions that take longer than nearly all do: themselves, waiting for a callee, and as a whole. A row for each
    service that shows it.
    """
    entered = (spans.parent < 0) | spans.crossing
    bare = spans.called >= 0
    edges = spans.service * len(spans.services) + spans.called
    parts = (
        (~bare, spans.operation, spans.self_us),
        (bare, edges, spans.self_us),
        (entered, spans.operation, spans.duration_us),
    )
    of_services = np.zeros((len(spans.services), size))
    for which, groups, values in parts:
        rows = np.flatnonzero(which)
        if len(rows):
            _, first, group = np.unique(groups[rows], return_index=True, return_inverse=True)
            slow, known = _slow(spans.now[rows], group, values[rows])
            gains = _counted(spans.now[rows][known], steps[rows][known], group[known], slow[known], len(first), size)
            np.add.at(of_services, spans.service[rows[first]], gains)
    return of_services


def _slow(now: Bools, group: Ints, values: Ints) -> tuple[Bools, Bools]:
    """Which executions take longer than nearly all of their group did, and in which groups that is known."""
    size = int(group.max()) + 1
    order = np.lexsort((values, group))
    before = order[~now[order]]
    counts = np.bincount(group[before], minlength=size)
    enough = counts >= c.MIN_EXECUTIONS
    at = np.cumsum(counts) - counts + (counts * c.NEARLY_ALL).astype(np.int64)
    limit = np.full(size, np.inf)
    limit[enough] = values[before[at[enough]]] * c.CLEARLY_LONGER + c.CLEARLY_LONGER_US
    return values > limit[group], enough[group]


def _of_errors(spans: Spans, steps: Ints, size: int) -> Floats:
    of_services = np.zeros((len(spans.services), size))
    if spans.error.any():
        gains = _counted(spans.now, steps, spans.operation, spans.error, len(spans.operations), size)
        np.add.at(of_services, [owner for owner, _ in spans.operations], gains)
    return of_services


def _of_lines(spans: Spans, lines: Lines, steps: Ints, size: int) -> Floats:
    """Executions that write a template, of those of its operation; so many pairs at a time that they fit anywhere."""
    of_services = np.zeros((len(spans.services), size))
    linked = np.flatnonzero(lines.owner >= 0)
    if not len(linked):
        return of_services
    width = int(lines.templates.code.max()) + 1
    once = np.unique(lines.owner[linked] * width + lines.templates.code[linked])
    owner, code = once // width, once % width
    pairs, pair = np.unique(spans.operation[owner] * width + code, return_inverse=True)
    operation, now = pairs // width, spans.now
    executions = _histogram(spans.operation[now], steps[now], len(spans.operations), size)
    executions_before = np.bincount(spans.operation[~now], minlength=len(spans.operations))
    frequent = np.flatnonzero(np.bincount(pair) >= c.FEW_HITS)
    owners = np.array([service for service, _ in spans.operations], np.int64)
    for chosen in np.array_split(frequent, len(frequent) // c.SIGNALS_AT_A_TIME + 1):
        place = places(chosen, len(pairs))[pair]
        writing, writing_before = (place >= 0) & now[owner], (place >= 0) & ~now[owner]
        hits = _histogram(place[writing], steps[owner[writing]], len(chosen), size)
        hits_before = np.bincount(place[writing_before], minlength=len(chosen))
        of = operation[chosen]
        gains = _gains(hits, executions[of], hits_before, executions_before[of], len(frequent))
        np.add.at(of_services, owners[of], gains)
    return of_services


def _counted(now: Bools, steps: Ints, group: Ints, bad: Bools, groups: int, size: int) -> Floats:
    """What is gained by the shares of bad executions, a row for each group."""
    executions = _histogram(group[now], steps[now], groups, size)
    hits = _histogram(group[now & bad], steps[now & bad], groups, size)
    hits_before = np.bincount(group[~now & bad], minlength=groups)
    return _gains(hits, executions, hits_before, np.bincount(group[~now], minlength=groups), groups)


def _histogram(group: Ints, steps: Ints, groups: int, size: int) -> Ints:
    """How many there are of each group in each step of time."""
    return np.bincount(group * size + steps, minlength=groups * size).reshape(groups, size)


def _gains(hits: Ints, executions: Ints, hits_before: Ints, executions_before: Ints, signals: int) -> Floats:
    """The capped gain of each group, of so many ``signals``, by a split before each step of time: by two shares instead
    of one, where the later one is further from the baseline's.
    """
    gains = np.zeros(hits.shape)
    split = (hits.sum(axis=1) > 0) & (hits.sum(axis=1) < executions.sum(axis=1)) & (executions_before > 0)
    hits, executions = hits[split], executions[split]
    usual = ((hits_before[split] + 0.5) / (executions_before[split] + 1))[:, None]
    hits_after, after = (np.cumsum(counts[:, ::-1], axis=1)[:, ::-1] for counts in (hits, executions))
    hits_near, near = hits_after[:, :1] - hits_after, after[:, :1] - after
    apart = _log_likelihood(hits_after, after) + _log_likelihood(hits_near, near)
    gain = apart - _log_likelihood(hits_after[:, :1], after[:, :1])
    share_after, share_near = hits_after / np.maximum(after, 1), hits_near / np.maximum(near, 1)
    away = (np.abs(share_after - usual) > np.abs(share_near - usual)) & (near > 0)
    unusual = _log_likelihood(hits_near, near) - _log_likelihood(hits_near, near, _near(share_near, usual))
    gains[split] = _capped(np.where(away, gain, 0.0), signals) - _capped(unusual, signals)
    return gains


def _near(shares: Floats, usual: Floats) -> Floats:
    """The shares, no further from what is usual than such shares move where nothing is wrong."""
    centre = 2 * np.arcsin(np.sqrt(usual))
    low, high = (np.sin(np.clip(centre + d, 0, np.pi) / 2) ** 2 for d in (-c.USUAL_SHARE, c.USUAL_SHARE))
    return np.clip(shares, low, high)


def _log_likelihood(hits: Ints, executions: Ints, share: Floats | None = None) -> Floats:
    """Of that many hits at their own share, or at another."""
    own: Floats = hits / np.maximum(executions, 1)
    share = np.clip(own if share is None else share, 1e-9, 1 - 1e-9)
    hit, missed = hits.astype(np.float64), (executions - hits).astype(np.float64)
    return hit * np.log(share) + missed * np.log1p(-share)


def _capped(gains: Floats, signals: int) -> Floats:
    """Gains (a row each) less what the best of so many signals gains by chance, at most `MOST_OF_ONE` each."""
    chance = c.LEAST_GAIN + np.log(max(signals, 1))
    return _at_most(np.maximum(gains - chance, 0.0), c.MOST_OF_ONE)


def _at_most(gains: Floats, limit: float) -> Floats:
    """Gains (a row each) made smaller where their largest is above the limit."""
    return gains * np.minimum(1.0, limit / np.maximum(np.abs(gains).max(axis=1, keepdims=True, initial=0.0), 1e-9))


def _of_series(series: Sequence[Series], moments_s: Floats) -> Floats:
    """What is gained by a step in the level of series; of one component the series that gains most, as all its series
    tell of the same.
    """
    usable = [one for one in series if len(one.before) >= c.LEAST_BASELINE and len(one.now) > 1]
    if not usable:
        return np.zeros(len(moments_s))
    gains = _capped(np.stack([_gain_of_step(one, moments_s) for one in usable]), len(usable))
    _, group = np.unique([f"{one.kind} {one.component}" for one in usable], return_inverse=True)
    best = np.zeros((int(group.max()) + 1, len(moments_s)))
    order = np.argsort(gains.max(axis=1), kind="stable")
    best[group[order]] = gains[order]  # of several of one component the last, which gains most
    return best.sum(axis=0)


def _gain_of_step(series: Series, moments_s: Floats) -> Floats:
    """The gain by two levels instead of one, in robust standard deviations of the baseline, before each moment."""
    ordered = np.sort(series.before)
    centre = ordered[len(ordered) // 2]
    deviations = np.sort(np.abs(series.before - centre))
    usual = max(1.4826 * deviations[len(deviations) // 2], deviations[int(len(deviations) * 0.8)] / 1.2816)
    scale = max(usual, c.DRIFT_OF_METRIC * max(abs(centre), 0.4 * float(np.abs(ordered).max())), 1e-9)
    z = np.clip((series.now - centre) / (scale * (1 + c.SMALL_SAMPLE / len(ordered))), -c.FARTHEST, c.FARTHEST)
    later, earlier = np.arange(len(z), 0, -1), np.arange(len(z))
    level_after = np.cumsum(z[::-1])[::-1] / later
    level_near = np.concatenate(([0.0], np.cumsum(z)[:-1])) / np.maximum(earlier, 1)
    gain = 0.5 * earlier * later / len(z) * (level_after - level_near) ** 2
    gain = np.where(np.abs(level_after) > np.abs(level_near), gain, 0.0)
    return np.append(gain, 0.0)[np.searchsorted(series.now_s, moments_s)]
