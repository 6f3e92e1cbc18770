"""When it began, as the telemetry tells; an alert fires after its rule has waited, so its own time is late."""

from datetime import UTC, datetime, timedelta

import numpy as np

from service.domain.evidence import Evidence
from service.evidence.constants import MIN_EXECUTIONS
from service.evidence.spans import Ints, Spans

_BIN_S = 10.0
"""Requests are counted in bins of this length: an onset is not told more exactly."""

_WORSE_THAN_USUAL = 0.9
"""A request is bad when it failed or took longer than this quantile of its entry's baseline."""

_BAD_SHARE = 0.2
"""Requests of which fewer than this are bad after the best split have no onset: one in ten is bad by definition."""


def estimate_onset(alerted_at: datetime, spans: Spans | None, metrics: list[Evidence]) -> datetime | None:
    """The moment from which requests were slow or failed; where traces do not tell, the median of when the strongest
    series left their range. None if nothing tells.
    """
    from_traces = _from_traces(spans) if spans is not None and len(spans) else None
    if from_traces is not None:
        return datetime.fromtimestamp(from_traces / 1e6, UTC)
    began = [e.began_s for e in sorted(metrics, key=lambda e: -e.score)[:10] if e.began_s is not None]
    return alerted_at + timedelta(seconds=float(np.median(began))) if began else None


def _from_traces(spans: Spans) -> float | None:
    """Start (µs) of the first bin from which on most requests are worse than the baseline's worst tenth."""
    roots = np.flatnonzero(spans.asked)
    now, before = roots[spans.now[roots]], roots[~spans.now[roots]]
    if len(now) < MIN_EXECUTIONS or len(before) < MIN_EXECUTIONS:
        return None
    usual = {
        int(e): np.quantile(spans.duration_us[before[spans.entry[before] == e]], _WORSE_THAN_USUAL)
        for e in _known(spans, before)
    }
    limit = np.array([usual.get(int(e), np.inf) for e in spans.entry[now]])
    bad = (spans.duration_us[now] > limit) | spans.error[now]
    return _first_sustained(spans.start_us[now], bad)


def _known(spans: Spans, rows: Ints) -> Ints:
    entries, counts = np.unique(spans.entry[rows], return_counts=True)
    return entries[counts >= MIN_EXECUTIONS]


def _first_sustained(start_us: Ints, bad: np.typing.NDArray[np.bool_]) -> float | None:
    """The split of time that best separates good from bad, if bad requests are at least twice as frequent after it."""
    bins = ((start_us - start_us.min()) / 1e6 / _BIN_S).astype(np.int64)
    total, hits = np.bincount(bins), np.bincount(bins, weights=bad)
    after_total, after_hits = np.cumsum(total[::-1])[::-1], np.cumsum(hits[::-1])[::-1]
    before_total, before_hits = after_total[0] - after_total, after_hits[0] - after_hits
    share_after = after_hits / np.maximum(after_total, 1)
    share_before = before_hits / np.maximum(before_total, 1)
    gain = (share_after - share_before) * np.sqrt(after_total * np.maximum(before_total, 1))
    best = int(np.argmax(gain))
    if share_after[best] < _BAD_SHARE or share_after[best] < 2 * share_before[best]:
        return None
    return float(start_us.min() + best * _BIN_S * 1e6)
