"""What exporters count of requests: rates, failures and durations per pod and per edge, sample by sample."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model_store.simulate.executions import Executions, Timeline
from model_store.simulate.system import LEAVES, System
from model_store.simulate.workload import Floats, Ints

BOUNDS_US = 10 ** np.arange(2.5, 7.6, 0.2)
"""Upper bounds of a histogram's buckets: a quantile is not told more exactly."""


@dataclass(frozen=True, slots=True)
class Played:
    """What happened in one journey of one period, whose times count from ``offset_us`` after the window's start."""

    executions: Executions
    timeline: Timeline
    offset_us: float


@dataclass(frozen=True, slots=True)
class Sampling:
    """When samples are taken (µs after the window's start, sorted), how far apart, over how many of them a rate is
    taken, and in which stretches requests were played: the healthy one, and the window.
    """

    times_us: Floats
    step_us: float
    scrapes: int
    covered: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Traffic:
    """(rows, times) each; NaN where there was nothing to measure. Rows are pods, or ``edges`` (caller, callee).

    ``busy`` is how many calls to stores a pod has open on average.
    """

    requests: Floats
    failures: Floats
    latency_mean: Floats
    latency_high: Floats
    busy: Floats
    lag: Floats
    edges: tuple[tuple[int, int], ...]
    edge_requests: Floats
    edge_latency: Floats
    edge_failures: Floats


def traffic(rng: np.random.Generator, system: System, played: list[Played], sampling: Sampling) -> Traffic:
    """Counts all requests, sampled traces or not. Samples of times that were not played repeat others at random."""
    edges = tuple(
        (caller, callee)
        for caller, callees in enumerate(system.calls)
        for callee in callees
        if not system.manners[caller, callee].message
    )
    pods, pairs = len(system.pod_names), _Pairs(system, edges)
    server = _Counts.of([_served(p) for p in played], pods, sampling)
    calls = _Counts.of([pairs.calls(p) for p in played], len(edges), sampling)
    stores = _Counts.of([pairs.store_calls(p) for p in played], pods, sampling)
    late = _Counts.of([_messages(p) for p in played], pods, sampling)
    lag = late.total_us / np.maximum(late.number, 1) / 1e6 * late.number / (sampling.step_us / 1e6 * sampling.scrapes)
    filled = _filler(rng, sampling)
    seconds = sampling.step_us * sampling.scrapes / 1e6
    return Traffic(
        requests=filled(server.number / seconds),
        failures=filled(server.failed / seconds),
        latency_mean=filled(server.mean_us()),
        latency_high=filled(server.quantile_us(0.9)),
        busy=filled(stores.total_us / 1e6 / seconds),
        lag=filled(np.round(lag)),
        edges=edges,
        edge_requests=filled(calls.number / seconds),
        edge_latency=filled(calls.mean_us()),
        edge_failures=filled(calls.failed / seconds),
    )


@dataclass(frozen=True, slots=True)
class _Events:
    """What is counted: when it was over, at which row, how long it took, whether it failed."""

    at_us: Floats
    row: Ints
    took_us: Floats
    failed: npt.NDArray[np.bool_]


def _served(played: Played) -> _Events:
    line, which = played.timeline, played.timeline.served
    return _Events(
        (line.start_us + line.duration_us)[which] + played.offset_us,
        played.executions.pod[which],
        line.duration_us[which],
        line.failed[which],
    )


def _messages(played: Played) -> _Events:
    line, x = played.timeline, played.executions
    which = line.served & x.message
    waited = line.start_us - line.sent_us - x.gap_us
    return _Events(line.start_us[which] + played.offset_us, x.pod[which], waited[which], line.failed[which])


@dataclass(frozen=True, slots=True)
class _Pairs:
    system: System
    edges: tuple[tuple[int, int], ...]

    def calls(self, played: Played) -> _Events:
        """Calls from service to service, as the caller sees them."""
        x, line = played.executions, played.timeline
        services, parents = x.services(), x.journey.parents
        number = {pair: row for row, pair in enumerate(self.edges)}
        row = np.array([number.get((int(services[p]), int(s)), -1) for p, s in zip(parents, services, strict=True)])
        row[0] = -1
        which = line.made & (row >= 0)
        at = (line.sent_us + line.waited_us)[which] + played.offset_us
        return _Events(at, np.broadcast_to(row, which.shape)[which], line.waited_us[which], line.lost[which])

    def store_calls(self, played: Played) -> _Events:
        """Calls to stores, at the pod that makes them."""
        x, line = played.executions, played.timeline
        to_store = np.array([self.system.roles[s] in LEAVES for s in x.services()])
        to_store[0] = False
        which = line.made & to_store
        at = (line.sent_us + line.waited_us)[which] + played.offset_us
        return _Events(at, x.pod[:, x.journey.parents][which], line.waited_us[which], line.lost[which])


@dataclass(frozen=True, slots=True)
class _Counts:
    """(rows, times), over the time that a rate is taken over; ``buckets`` (rows, times, bounds)."""

    number: Floats
    failed: Floats
    total_us: Floats
    buckets: Floats

    @classmethod
    def of(cls, events: list[_Events], rows: int, sampling: Sampling) -> "_Counts":
        at = np.concatenate([e.at_us for e in events])
        row = np.concatenate([e.row for e in events])
        took = np.concatenate([e.took_us for e in events])
        failed = np.concatenate([e.failed for e in events])
        times = sampling.times_us
        place = np.searchsorted(times, at)
        fits = place < len(times)
        fits &= times[np.minimum(place, len(times) - 1)] - at <= sampling.step_us * 1.5
        cell = (row * len(times) + place)[fits]
        size, shape = rows * len(times), (rows, len(times))
        bucket = np.searchsorted(BOUNDS_US, took[fits])
        histogram = np.bincount(cell * (len(BOUNDS_US) + 1) + bucket, minlength=size * (len(BOUNDS_US) + 1))
        parts = [
            np.bincount(cell, minlength=size),
            np.bincount(cell, failed[fits], minlength=size),
            np.bincount(cell, took[fits], minlength=size),
        ]
        number, bad, total = (_rolled(part.reshape(shape).astype(np.float64), sampling.scrapes) for part in parts)
        return cls(
            number,
            bad,
            total,
            _rolled(histogram.reshape(*shape, len(BOUNDS_US) + 1).astype(np.float64), sampling.scrapes),
        )

    def mean_us(self) -> Floats:
        return np.where(self.number > 0, self.total_us / np.maximum(self.number, 1), np.nan)

    def quantile_us(self, q: float) -> Floats:
        """As Prometheus does it: linear within the bucket."""
        risen = np.cumsum(self.buckets, axis=2)
        wanted = q * risen[..., -1:]
        found = np.minimum((risen < wanted).sum(axis=2), len(BOUNDS_US) - 1)
        below = np.where(found > 0, np.take_along_axis(risen, np.maximum(found - 1, 0)[..., None], 2)[..., 0], 0)
        inside = np.take_along_axis(self.buckets, found[..., None], 2)[..., 0]
        low = np.where(found > 0, BOUNDS_US[np.maximum(found - 1, 0)], 0.0)
        share = (wanted[..., 0] - below) / np.maximum(inside, 1)
        return np.where(self.number > 0, low + (BOUNDS_US[found] - low) * np.clip(share, 0, 1), np.nan)


def _rolled(counts: Floats, scrapes: int) -> Floats:
    """Sums with the samples just before (across the seam of two periods, too: nobody looks at the first ones)."""
    return sum((_later(counts, by) for by in range(1, scrapes)), counts)


def _later(counts: Floats, by: int) -> Floats:
    moved = np.roll(counts, by, axis=1)
    moved[:, :by] = counts[:, :1]
    return moved


def _filler(rng: np.random.Generator, sampling: Sampling) -> Callable[[Floats], Floats]:
    healthy = _within(sampling, sampling.covered[:1])
    missing = np.flatnonzero(~_within(sampling, sampling.covered))
    before = np.flatnonzero(healthy)
    source = rng.choice(before, len(missing)) if len(before) else missing

    def filled(series: Floats) -> Floats:
        whole = series.copy()
        whole[:, missing] = series[:, source] if len(before) else np.nan
        return whole

    return filled


def _within(sampling: Sampling, stretches: tuple[tuple[float, float], ...]) -> npt.NDArray[np.bool_]:
    """Samples most of whose rate's time lies in one of these stretches."""
    times = sampling.times_us
    inside = [(times >= begin + sampling.step_us * 0.5) & (times <= end) for begin, end in stretches]
    return np.logical_or.reduce(inside)
