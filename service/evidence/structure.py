"""What is called, how often, and what fails: the shape of executions against the baseline, given what led to them."""

from collections.abc import Iterator

import numpy as np

from service.domain.component import Component, edge, service
from service.domain.evidence import Evidence, EvidenceKind, Signal
from service.evidence.constants import (
    DRIFT_OF_COUNT,
    DRIFT_OF_RATE,
    MIN_EXECUTIONS,
    SILENT_BELOW,
    USUAL_COUNT,
    USUAL_SHARE,
    USUAL_TIMES,
    USUALLY,
)
from service.evidence.following import Followed, followed, less_what_replaced_it
from service.evidence.lineage import Bools, Floats, Ints
from service.evidence.rows import shift_rows
from service.evidence.spans import Spans, combine
from service.evidence.strata import Shift, quantiles, share_shift, sums


def structure_evidence(spans: Spans) -> Iterator[Evidence]:
    """Rows of kind lost-call and new-call, calls (repeats), error-share, silence and traffic."""
    yield from _calls_that_follow(spans)
    yield from _unanswered(spans)
    yield from _repeats(spans)
    yield from _errors(spans)
    yield from _failures_after_calls(spans)
    yield from _silence(spans)
    yield from _traffic(spans)


def _calls_that_follow(spans: Spans) -> Iterator[Evidence]:
    """Operations that no longer follow, or newly follow, another."""
    child = np.flatnonzero(spans.parent >= 0)
    if not len(child):
        return
    found = followed(spans, spans.parent[child], spans.step[child])
    shift = less_what_replaced_it(found)

    def describe(pair: int, score: float) -> tuple[EvidenceKind, Component, str, str]:
        row = int(child[found.event[pair]])
        parent = int(spans.parent[row])
        kind = EvidenceKind.NEW_CALL if score > 0 else EvidenceKind.LOST_CALL
        return kind, service(spans.owner(parent)), spans.name(row), spans.name(parent)

    yield from shift_rows(shift, Signal.TRACES, describe, "share", spans.requests, USUAL_SHARE)


def _unanswered(spans: Spans) -> Iterator[Evidence]:
    """Calls that go out but of which the callee has no span: lost on the way, or the callee is not there.

    Calls are told apart by the caller's operation and the name of the call; the callee is the one that answers it most.
    A call without an answer that takes as long as answered ones do was answered: only the callee's span was not
    recorded. It counts when it failed, or took longer or shorter than nearly all answered ones.
    """
    answered = spans.callee >= 0
    call = combine(spans.above + 1, spans.operation)
    remote = np.bincount(call[answered], minlength=int(call.max(initial=0)) + 1) > 0
    rows = np.flatnonzero(remote[call] & (spans.called >= 0) & ~spans.silent)
    if not len(rows):
        return
    _, first, group = np.unique(call[rows], return_index=True, return_inverse=True)
    unusual = spans.error[rows] | _unusual_time(spans.duration_us[rows], group, answered[rows] & ~spans.now[rows])
    shift = share_shift(spans.now[rows], ~answered[rows] & unusual, group, [combine(spans.entry[rows], group), group])

    def describe(position: int, score: float) -> tuple[EvidenceKind, Component, str, str] | None:
        row = int(rows[first[position]])
        if score < 0:
            return None
        return EvidenceKind.LOST_CALL, spans.call_edge(row), f"unanswered {spans.operation_name(row)}", ""

    yield from shift_rows(shift, Signal.TRACES, describe, "share", spans.requests, USUAL_SHARE)


def _unusual_time(duration_us: Ints, group: Ints, usual: Bools) -> Bools:
    """Whether each duration lies outside the middle nine tenths of what is usual in its group."""
    size = int(group.max(initial=-1)) + 1
    low, _ = quantiles(group[usual], duration_us[usual].astype(np.float64), size, USUAL_TIMES[0])
    high, _ = quantiles(group[usual], duration_us[usual].astype(np.float64), size, USUAL_TIMES[1])
    return (duration_us < low[group]) | (duration_us > high[group])


def _repeats(spans: Spans) -> Iterator[Evidence]:
    """How often an execution that makes a call makes it: retries and loops. Only rises are kept."""
    child = np.flatnonzero(spans.parent >= 0)
    if not len(child):
        return
    operations = len(spans.operations)
    each, times = np.unique(spans.parent[child] * operations + spans.operation[child], return_counts=True)
    parent, operation = each // operations, each % operations
    pairs, group = np.unique(spans.step[parent] * operations + operation, return_inverse=True)
    shift = _mean_shift(spans.now[parent], group, times.astype(np.float64), len(pairs))
    representative = np.zeros(len(pairs), np.int64)
    representative[group] = parent

    def describe(pair: int, score: float) -> tuple[EvidenceKind, Component, str, str] | None:
        if score < 0:
            return None
        name = spans.operations[int(pairs[pair]) % operations][1]
        caller = int(representative[pair])
        return EvidenceKind.CALLS, service(spans.owner(caller)), name, spans.name(caller)

    yield from shift_rows(shift, Signal.TRACES, describe, "per execution", spans.requests, USUAL_COUNT)


def _mean_shift(now: Bools, group: Ints, values: Floats, size: int) -> Shift:
    """How the mean of each group moved, as a logarithm; its error allows for drift between healthy stretches."""
    n_now, n_before = np.bincount(group[now], minlength=size), np.bincount(group[~now], minlength=size)
    mean_now = sums(group[now], values[now], size) / np.maximum(n_now, 1)
    mean_before = sums(group[~now], values[~now], size) / np.maximum(n_before, 1)
    residual = (values - mean_before[group]) ** 2
    variance = sums(group[~now], residual[~now], size) / np.maximum(n_before, 1) + 0.01
    error2 = variance * (1 / np.maximum(n_now, 1) + 1 / np.maximum(n_before, 1)) + (DRIFT_OF_COUNT * mean_before) ** 2
    level = np.maximum(mean_before, 0.1)
    enough = (n_now >= MIN_EXECUTIONS) & (n_before >= MIN_EXECUTIONS)
    moved = np.where(enough, np.log((mean_now + 0.1) / (level + 0.1)), np.nan)
    return Shift(mean_now, mean_before, moved, np.sqrt(error2) / level, n_now, n_before)


def _errors(spans: Spans) -> Iterator[Evidence]:
    """Errors where they arise: a failed execution below which nothing failed; of a failed bare call, its edge."""
    if not spans.error.any():
        return
    origin = spans.origins
    called = spans.called
    _, first, group = np.unique(combine(spans.operation, called + 1), return_index=True, return_inverse=True)
    fine = combine(spans.entry, spans.above + 1, group)
    shift = share_shift(spans.now, origin, group, [fine, combine(spans.above + 1, group), group])

    def describe(position: int, _score: float) -> tuple[EvidenceKind, Component, str, str]:
        row = int(first[position])
        component = service(spans.owner(row)) if called[row] < 0 else spans.call_edge(row)
        return EvidenceKind.ERROR_SHARE, component, spans.name(row), ""

    yield from shift_rows(shift, Signal.TRACES, describe, "share", spans.requests, USUAL_SHARE)


def _failures_after_calls(spans: Spans) -> Iterator[Evidence]:
    """Executions that fail, though nothing below them does, after a call after which others go on: what it brought back
    may be why. Rows of the edge.
    """
    last = _last_callee(spans)
    failing = np.flatnonzero(spans.origins & (last >= 0))
    if not len(failing):
        return
    found = followed(spans, failing, last[failing])
    usually_last = _share_of_last(spans, last, found)

    def describe(pair: int, score: float) -> tuple[EvidenceKind, Component, str, str] | None:
        if score < 0 or usually_last[pair] > USUALLY:
            return None
        row = int(failing[found.event[pair]])
        calls = edge(spans.owner(row), spans.services[int(found.item[pair])])
        return EvidenceKind.ERROR_SHARE, calls, f"{spans.name(row)} after these calls", ""

    yield from shift_rows(found.shift, Signal.TRACES, describe, "share", spans.requests, USUAL_SHARE)


def _last_callee(spans: Spans) -> Ints:
    """Of each execution the other service (a code) that it called last; -1 where the last that it did is no call."""
    child = np.flatnonzero(spans.parent >= 0)
    order = child[np.lexsort((spans.start_us[child] + spans.duration_us[child], spans.parent[child]))]
    final = order[np.diff(spans.parent[order], append=-1) != 0]
    callee = np.where(spans.called[final] >= 0, spans.called[final], spans.service[final])
    last = np.full(len(spans), -1, np.int64)
    last[spans.parent[final]] = np.where(callee == spans.service[spans.parent[final]], -1, callee)
    return last


def _share_of_last(spans: Spans, last: Ints, found: Followed) -> Floats:
    """Of the executions of each step in the baseline those whose last call is to that item, as a share."""
    rows = np.flatnonzero(~spans.now)
    width = len(spans.services) + 1
    pairs, counts = np.unique(spans.step[rows] * width + last[rows] + 1, return_counts=True)
    wanted = found.step * width + found.item + 1
    place = np.minimum(np.searchsorted(pairs, wanted), max(len(pairs) - 1, 0))
    hits = np.where(pairs[place] == wanted, counts[place], 0) if len(pairs) else np.zeros(len(wanted))
    executions = np.bincount(spans.step[rows], minlength=int(spans.step.max(initial=0)) + 1)[found.step]
    return hits / np.maximum(executions, 1)


def _silence(spans: Spans) -> Iterator[Evidence]:
    """Services that the same requests reached before and hardly reach now."""
    rows = np.flatnonzero(np.isin(spans.trace, spans.trace[spans.asked]))
    traces, first = np.unique(spans.trace[rows], return_index=True)
    now, entry = spans.now[rows[first]], spans.entry[rows[first]]
    reach = np.unique(np.searchsorted(traces, spans.trace[rows]) * len(spans.services) + spans.service[rows])
    trace, reached = reach // len(spans.services), reach % len(spans.services)
    fell = _reach_that_fell(now, now[trace], reached, len(spans.services))
    if not len(fell):
        return
    hit = np.isin(np.arange(len(traces))[:, None] * len(spans.services) + fell[None, :], reach).ravel()
    group = np.tile(np.arange(len(fell)), len(traces))
    stratum = combine(np.repeat(entry, len(fell)), group)
    shift = share_shift(np.repeat(now, len(fell)), hit, group, [stratum, group])

    def describe(position: int, _score: float) -> tuple[EvidenceKind, Component, str, str] | None:
        if shift.now[position] > SILENT_BELOW * shift.before[position]:
            return None
        return EvidenceKind.SILENCE, service(spans.services[int(fell[position])]), "requests that reach it", ""

    yield from shift_rows(shift, Signal.TRACES, describe, "share", spans.requests, USUAL_SHARE)


def _reach_that_fell(now: Bools, reached_now: Bools, reached: Ints, size: int) -> Ints:
    """Services of which the plain share of requests that reach them fell by a fifth or more: few, so that only these
    need be looked at request by request.
    """
    share_now = np.bincount(reached[reached_now], minlength=size) / max(int(now.sum()), 1)
    share_before = np.bincount(reached[~reached_now], minlength=size) / max(int((~now).sum()), 1)
    return np.flatnonzero((share_before > 0) & (share_now < 0.8 * share_before))


def _traffic(spans: Spans) -> Iterator[Evidence]:
    """Requests per second that enter each service, from users or from other services."""
    seconds_now, seconds_before = spans.seconds
    if seconds_now <= 0 or seconds_before <= 0:
        return
    roots = np.flatnonzero((spans.parent < 0) | spans.crossing)
    entries, group = np.unique(spans.service[roots], return_inverse=True)
    n_now = np.bincount(group[spans.now[roots]], minlength=len(entries))
    n_before = np.bincount(group[~spans.now[roots]], minlength=len(entries))
    rate_now, rate_before = n_now / seconds_now, n_before / seconds_before
    error2 = DRIFT_OF_RATE**2 + 1 / (n_now + 0.5) + 1 / (n_before + 0.5)
    half = 0.5 / max(seconds_now, seconds_before)
    moved = np.log((rate_now + half) / (rate_before + half))

    def describe(position: int, _score: float) -> tuple[EvidenceKind, Component, str, str]:
        return EvidenceKind.TRAFFIC, service(spans.services[int(entries[position])]), "requests", ""

    yield from shift_rows(
        Shift(rate_now, rate_before, moved, np.sqrt(error2), n_now, n_before),
        Signal.TRACES,
        describe,
        "1/s",
        spans.requests,
        USUAL_COUNT,
    )
