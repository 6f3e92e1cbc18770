from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass

Values = Mapping[Hashable, float]

FRESH_NS = 300 * 10**9
"""A series that began so shortly before its first point is told by that point; an older one only from the second on,
because a mean since last week says nothing of now."""

MOST_SERIES = 100_000
TOTAL = "total"
"""The one value of a series that may fall without the series having begun anew: a histogram's sum."""


@dataclass(frozen=True, slots=True)
class Increase:
    """What was added to each value of a series, and in how many seconds."""

    values: dict[Hashable, float]
    seconds: float


@dataclass(frozen=True, slots=True)
class _Point:
    start_ns: int
    time_ns: int
    values: dict[Hashable, float]


class Increases:
    """Turns cumulative series into what was added since their last point. It remembers the last point of the series
    seen most recently, in memory: after a restart every older series is silent for one point. For one thread.
    """

    def __init__(self, most_series: int = MOST_SERIES) -> None:
        self._last: OrderedDict[Hashable, _Point] = OrderedDict()
        self._most = most_series

    def since_last(self, series: Hashable, start_ns: int, time_ns: int, values: Values) -> Increase | None:
        """The increase up to this point; None where nothing can be said: a first point, or one that comes late."""
        point = _Point(start_ns, time_ns, dict(values))
        last = self._last.get(series)
        if last is not None and time_ns <= last.time_ns:
            return None
        self._last[series] = point
        self._last.move_to_end(series)
        if len(self._last) > self._most:
            self._last.popitem(last=False)
        return _since_start(point) if last is None or _began_anew(last, point) else _between(last, point)


def of_delta(start_ns: int, time_ns: int, values: Values) -> Increase | None:
    """A point that is an increase already; None if it does not say since when."""
    if not 0 < start_ns < time_ns:
        return None
    return Increase(dict(values), (time_ns - start_ns) / 1e9)


def _since_start(point: _Point) -> Increase | None:
    fresh = 0 < point.time_ns - point.start_ns <= FRESH_NS
    return of_delta(point.start_ns, point.time_ns, point.values) if fresh else None


def _began_anew(last: _Point, point: _Point) -> bool:
    if point.start_ns and last.start_ns and point.start_ns != last.start_ns:
        return True
    return any(point.values.get(key, 0.0) < value for key, value in last.values.items() if key != TOTAL)


def _between(last: _Point, point: _Point) -> Increase:
    added = {key: value - last.values.get(key, 0.0) for key, value in point.values.items()}
    return Increase(added, (point.time_ns - last.time_ns) / 1e9)
