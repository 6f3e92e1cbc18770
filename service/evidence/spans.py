"""Spans as numpy columns, now and before together, with what the comparison needs: parents, entries, exclusive time."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from service.domain.component import Component, edge
from service.domain.graph import ServiceGraph
from service.evidence.lineage import MAX_DEPTH, Bools, Ints, calling, codes, crossings, parent_rows, roots
from service.evidence.tables import Compared

LONGEST_SPAN_US = 7 * 86_400_000_000
"""A week: what claims to have lasted longer is broken, and sums of it would leave 64 bits."""


def most_frequent(group: Ints, value: Ints, size: int) -> Ints:
    """The value that occurs most in each group, -1 for a group without any."""
    pairs, counts = np.unique(np.stack([group, value]), axis=1, return_counts=True)
    order = np.argsort(counts, kind="stable")
    most = np.full(size, -1, np.int64)
    most[pairs[0][order]] = pairs[1][order]
    return most


def combine(*codes: Ints) -> Ints:
    """One code for each distinct tuple of codes, dense from 0 (not in the order of appearance)."""
    key = codes[0]
    for code in codes[1:]:
        key = np.unique(key, return_inverse=True)[1].astype(np.int64) * (int(code.max(initial=0)) + 2) + code + 1
    return np.unique(key, return_inverse=True)[1].astype(np.int64)


@dataclass(frozen=True)
class Spans:
    """All spans of one incident, a row each; every array has one entry a span.

    ``service``, ``pod`` and ``operation`` are codes into ``services``, ``pods`` and ``operations``; an operation is a
    pair (service, name). ``parent`` is the row of the parent or -1; ``entry`` the operation of the trace's root;
    ``now`` tells the window from its baseline. ``seconds`` is how long spans were recorded, now and before.
    ``silent_callee`` is, for each service, the code of its only callee that writes no spans, or -1. ``peer`` is whom a
    client or producer span speaks to by its attributes, a code into ``services`` or -1, and ``queued`` whether that is
    a queue.
    """

    services: list[str]
    pods: list[str]
    operations: list[tuple[int, str]]
    now: Bools
    trace: Ints
    service: Ints
    pod: Ints
    operation: Ints
    parent: Ints
    entry: Ints
    start_us: Ints
    duration_us: Ints
    error: Bools
    client: Bools
    seconds: tuple[float, float]
    silent_callee: Ints
    peer: Ints
    queued: Bools

    def __len__(self) -> int:
        return len(self.now)

    def between(self, after: Bools, reference: Bools) -> "Spans":
        """Only these spans, in their order: those of ``after`` as now, those of ``reference`` as before. Whole traces
        have to be in either.
        """
        rows = np.flatnonzero(after | reference)
        now, start_us = after[rows], self.start_us[rows]
        return replace(
            self,
            now=now,
            trace=self.trace[rows],
            service=self.service[rows],
            pod=self.pod[rows],
            operation=self.operation[rows],
            parent=places(rows, len(self))[self.parent[rows]],
            entry=self.entry[rows],
            start_us=start_us,
            duration_us=self.duration_us[rows],
            error=self.error[rows],
            client=self.client[rows],
            peer=self.peer[rows],
            queued=self.queued[rows],
            seconds=(_span_seconds(start_us[now]), _span_seconds(start_us[~now])),
        )

    @cached_property
    def began_us(self) -> Ints:
        """When the trace of each span began, as far as it was recorded: the start of its topmost ancestor."""
        return self.start_us[roots(self.parent)]

    @cached_property
    def calls(self) -> frozenset[tuple[str, str]]:
        """Who is seen to call whom now."""
        rows = np.flatnonzero((self.called >= 0) & self.now)
        pairs = np.unique(self.service[rows] * len(self.services) + self.called[rows])
        ends = (divmod(int(pair), len(self.services)) for pair in pairs)
        return frozenset((self.services[caller], self.services[callee]) for caller, callee in ends)

    @cached_property
    def crossing(self) -> Bools:
        """Whether the span's parent belongs to another service: the callee's end of a remote call."""
        return crossings(self.parent, self.service)

    @cached_property
    def unanswered(self) -> Bools:
        """Calls to whom their attributes name, below which there is no other call and no span of anybody else: all of
        their time is the callee's or the way's. What is put into a queue is taken, however it goes on from there.
        """
        named = self.peer >= 0
        if not named.any():
            return named
        return named & (self.queued | ~self.above_any(named | self.crossing))

    @cached_property
    def covered_us(self) -> Ints:
        """How much of each span its children cover: the length of the union of their intervals, clipped to it."""
        child = np.flatnonzero(self.parent >= 0)
        parent = self.parent[child]
        begin = np.clip(self.start_us[child] - self.start_us[parent], 0, self.duration_us[parent])
        end = np.clip(begin + self.duration_us[child], 0, self.duration_us[parent])
        order = np.lexsort((begin, parent))
        child, parent, begin, end = child[order], parent[order], begin[order], end[order]
        # One running maximum over all families: each family is lifted above the one before it.
        family = np.cumsum(np.concatenate(([0], np.diff(parent) != 0))) if len(parent) else parent
        lift = family * (int(self.duration_us.max(initial=0)) + 1)
        reached = np.maximum.accumulate(end + lift) - lift if len(parent) else end
        before = np.concatenate(([0], reached[:-1])) if len(parent) else reached
        first = np.concatenate(([True], np.diff(family) != 0)) if len(parent) else np.zeros(0, bool)
        fresh = np.maximum(0, end - np.maximum(begin, np.where(first, 0, before)))
        covered = np.zeros(len(self), np.int64)
        np.add.at(covered, parent, fresh)
        return covered

    @cached_property
    def self_us(self) -> Ints:
        """The part of each span that no child covers (exclusive time). All of an unanswered call is its own; nothing is
        left for what the caller does within it: connecting, reading what comes back.
        """
        own_us = np.where(self.unanswered, self.duration_us, self.duration_us - self.covered_us)
        within = np.zeros(len(self), bool)
        for _ in range(MAX_DEPTH if self.unanswered.any() else 0):
            deeper = (self.parent >= 0) & ~self.crossing & (self.unanswered | within)[self.parent]
            if (deeper == within).all():
                break
            within = deeper
        return np.where(within, 0, own_us)

    @cached_property
    def callee(self) -> Ints:
        """The row of the one remote child of a span that does nothing but call: a client span, or one whose only child
        belongs to another service. -1 for all others.
        """
        children = np.bincount(self.parent[self.parent >= 0], minlength=len(self))
        remote = np.flatnonzero(self.crossing)
        callers = self.parent[remote]
        only = (children[callers] == 1) | (
            self.client[callers] & (np.bincount(callers, minlength=len(self))[callers] == 1)
        )
        callee = np.full(len(self), -1, np.int64)
        callee[callers[only]] = remote[only]
        return np.where(self.queued, -1, callee)

    @cached_property
    def called(self) -> Ints:
        """The service that each bare call goes to (a code into ``services``), answered or not; -1 for other spans.

        A call without the callee's span goes where calls of its kind (same parent, same name) mostly go; a client span
        of a kind that nobody ever answers, to the only callee of its service that writes no spans, if there is one.
        What its attributes say goes before all that is guessed.
        """
        called = np.where(self.callee >= 0, self.service[self.callee], -1)
        kind = combine(self.above + 1, self.operation)
        answered = np.flatnonzero(called >= 0)
        usual = most_frequent(kind[answered], called[answered], int(kind.max(initial=-1)) + 1)[kind]
        leaf = np.bincount(self.parent[self.parent >= 0], minlength=len(self)) == 0
        called = np.where((called < 0) & leaf, usual, called)
        called = np.where((called < 0) & leaf & self.client, self.silent_callee[self.service], called)
        return np.where(self.unanswered, self.peer, called)

    @cached_property
    def silent(self) -> Bools:
        """Which bare calls go to a service that writes no spans."""
        return (self.called >= 0) & ~np.isin(self.called, np.unique(self.service))

    @cached_property
    def step(self) -> Ints:
        """The operation, told apart by whom it calls: names such as "HTTP GET" say nothing without their callee."""
        target = np.where(self.callee >= 0, self.operation[self.callee], -1)
        return combine(self.operation, target, np.where(self.unanswered, self.peer, -1) + 1)

    @cached_property
    def above(self) -> Ints:
        """The step of each span's parent, -1 for roots."""
        return np.where(self.parent >= 0, self.step[self.parent], -1)

    @cached_property
    def resolution_us(self) -> float:
        """Differences below this do not matter to a user: a hundredth of what a request takes when all is well."""
        roots = self.asked & ~self.now
        roots = roots if roots.any() else self.parent < 0
        return float(np.median(self.duration_us[roots])) / 100 + 1 if roots.any() else 1.0

    def above_any(self, which: Bools) -> Bools:
        """The spans that are ancestors of any of the given ones."""
        above = np.zeros(len(self), bool)
        here = np.flatnonzero(which)
        for _ in range(MAX_DEPTH):
            here = np.unique(self.parent[here])
            here = here[(here >= 0) & ~above[here]]
            if not len(here):
                break
            above[here] = True
        return above

    @cached_property
    def origins(self) -> Bools:
        """Failed executions below which nothing failed: there the failure arose."""
        return self.error & ~self.above_any(self.error)

    @cached_property
    def asked(self) -> Bools:
        """The requests of users: spans without a recorded parent, of services that nobody calls, if there are such.
        What a service that others call begins by itself, however often and long, nobody waits for.
        """
        roots = self.parent < 0
        called = np.zeros(len(self.services), bool)
        called[self.service[self.crossing]] = True
        outer = roots & ~called[self.service]
        return outer if (outer & self.now).any() else roots

    @cached_property
    def requests(self) -> float:
        """How many requests there are now."""
        return float((self.asked & self.now).sum())

    @cached_property
    def requests_us(self) -> float:
        """The time that all requests take now, together."""
        return float(self.duration_us[self.asked & self.now].sum())

    def owner(self, row: int) -> str:
        """The service of a row."""
        return self.services[int(self.service[row])]

    def call_edge(self, row: int) -> Component:
        """The edge of the bare call at a row: from its service to the one that it calls."""
        return edge(self.owner(row), self.services[int(self.called[row])])

    def operation_name(self, row: int) -> str:
        """The operation's name at a row, as recorded."""
        return self.operations[int(self.operation[row])][1]

    def name(self, row: int) -> str:
        """The operation's name at a row; for a bare call with what it calls."""
        name = self.operation_name(row)
        if (callee := int(self.callee[row])) < 0:
            return name
        target = self.operation_name(callee)
        return name if target.endswith(name) or name.endswith(target) else f"{name} → {target}"


def places(rows: Ints, size: int) -> Ints:
    """For each of ``size`` rows its place among those chosen, -1 for others and, at the end, for no row (-1)."""
    place = np.full(size + 1, -1, np.int64)
    place[rows] = np.arange(len(rows))
    return place


def read_spans(compared: Compared, graph: ServiceGraph) -> Spans:
    """The columns of a compared pair of span tables; the graph tells of callees that write no spans."""
    table = compared.together
    service, services = codes(table["service"])
    pod, pods = codes(table["pod"])
    name, names = codes(table["operation"])
    trace, _ = codes(table["trace_id"])
    pair = service * (len(names) + 1) + name
    unique, operation = np.unique(pair, return_inverse=True)
    parent = parent_rows(table)
    start = np.asarray(table["start"].cast(pa.int64()))
    now = np.arange(len(table)) < len(compared.now)
    silent = _silent_callees(services, graph)
    peer, peers = codes(table["peer"])
    unseen = dict.fromkeys(name for name in (*silent, *peers) if name and name not in services)
    position = {name: len(services) + number for number, name in enumerate(unseen)}
    numbers = {name: number for number, name in enumerate(services)} | position
    queued = _is(table["peer_role"], "queue")
    return Spans(
        services=[*services, *unseen],
        pods=pods,
        operations=[(int(p // (len(names) + 1)), names[int(p % (len(names) + 1))]) for p in unique],
        now=now,
        trace=trace,
        service=service,
        pod=pod,
        operation=operation.astype(np.int64),
        parent=parent,
        entry=operation.astype(np.int64)[roots(parent)],
        start_us=start,
        duration_us=np.clip(np.asarray(table["duration_us"], dtype=np.int64), 0, LONGEST_SPAN_US),
        error=_is(table["status"], "error"),
        client=_is(table["kind"], "client"),
        seconds=(_span_seconds(start[now]), _span_seconds(start[~now])),
        silent_callee=np.array([position.get(name, -1) for name in silent], np.int64),
        peer=np.where(calling(table), np.array([numbers.get(name, -1) for name in peers], np.int64)[peer], -1),
        queued=queued & calling(table),
    )


def _is(column: Any, text: str) -> Bools:
    """In which rows that text stands."""
    code, texts = codes(column)
    return code == (texts.index(text) if text in texts else -1)


def _silent_callees(services: list[str], graph: ServiceGraph) -> list[str]:
    """For each service with spans its only callee without any, or ""."""
    seen = set(services)
    unseen = ([name for name in graph.callees(service) if name not in seen] for service in services)
    return [names[0] if len(names) == 1 else "" for names in unseen]


def _span_seconds(start_us: Ints) -> float:
    """Seconds in which spans were recorded; gaps of over a minute are gaps of the recording and do not count."""
    if len(start_us) < 2:
        return 0.0
    steps = np.diff(np.sort(start_us)) / 1e6
    return float(steps[steps < 60].sum())
