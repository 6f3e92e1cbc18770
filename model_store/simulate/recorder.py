"""Turns what was played into the tables of a case, in the order in which a store would give them."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from model_store.simulate.executions import Bools, Executions, Line, Timeline
from model_store.simulate.scene import Change
from model_store.simulate.system import LEAVES, System
from model_store.simulate.workload import Floats, Ints
from service.ports import ADDED, CHANGES, LOGS, SPANS, TIME, TOPOLOGY

NOBODY = -1
KINDS = ("server", "client", "producer", "consumer")
STATUSES = ("unset", "ok", "error")


@dataclass(slots=True)
class Recorder:
    """Collects spans and log lines, a block of columns for each journey and period, as numbers until the end.

    ``zero_us`` is the moment (µs since the epoch) that a period's times count from.
    """

    rng: np.random.Generator
    system: System
    skew_us: Floats | None = None
    untold: frozenset[int] = frozenset()
    spans: list[dict[str, npt.NDArray[Any]]] = field(default_factory=list)
    logs: list[dict[str, npt.NDArray[Any]]] = field(default_factory=list)
    ids: int = 0
    traces: int = 0
    seed: int = field(init=False)

    def __post_init__(self) -> None:
        self.seed = int(self.rng.integers(2**53))

    def record(self, executions: Executions, timeline: Timeline, kept: Bools, zero_us: int) -> None:
        """Keeps what the system tells of executions; spans of the requests (T,) that are kept."""
        requests, calls = timeline.made.shape
        own = self.ids + np.arange(requests * calls).reshape(requests, calls)
        trace = np.broadcast_to(self.traces + np.arange(requests)[:, None], own.shape)
        seen = _Seen(self, executions, timeline, trace, own, own + own.size, kept, zero_us)
        self.ids += 2 * own.size
        self.traces += requests
        self.spans += [seen.server_spans(), seen.client_spans()]
        lines = [*_routine_lines(executions), *executions.lines, *_complaints(executions, timeline)]
        self.logs += [seen.log_lines(line, self.rng) for line in lines]

    def late_us(self, pod: Ints) -> Ints:
        """By how much the clock of a pod's node is off."""
        if self.skew_us is None:
            return np.zeros(pod.shape, np.int64)
        return self.skew_us[np.array(self.system.pod_node)[pod]].astype(np.int64)

    def span_table(self) -> pa.Table:
        """All spans (`SPANS`), by start."""
        if not self.spans:
            return SPANS.empty_table()
        block = _sorted(self.spans, "start")
        system, style = self.system, self.system.style
        ids, traces = self._hex(self.ids, 16), self._hex(self.traces, 32)
        operations = [op.name for op in system.operations]
        asked = [_asked(op.name, system.roles[op.service] in LEAVES, style.verbs) for op in system.operations]
        node = np.array(system.pod_node)[block["pod"]] if style.nodes_in_spans else np.full(len(block["pod"]), NOBODY)
        columns = [
            _names(block["trace"], traces),
            _names(block["id"], ids),
            _names(block["parent"], ids),
            _names(block["service"], system.names),
            _names(block["pod"], system.pod_names),
            _names(node, system.nodes),
            _names(block["operation"], [*operations, *asked, *(f"publish {name}" for name in operations)]),
            _names(block["kind"] if style.kinds else np.full(len(block["kind"]), NOBODY), KINDS),
            pa.array(block["start"]).cast(TIME),
            pa.array(block["duration"]),
            _names(block["status"], STATUSES),
        ]
        columns += [pa.repeat(pa.scalar(""), len(block["start"]))] * len(ADDED)
        return pa.table(columns, schema=SPANS)

    def log_table(self) -> pa.Table:
        """All log lines (`LOGS`), by time; severity stands in the text where the system's loggers put it."""
        if not self.logs:
            return LOGS.empty_table()
        block = _sorted(self.logs, "time")
        ids, traces = self._hex(self.ids, 16), self._hex(self.traces, 32)
        system = self.system
        bodies, severities = block["body"].tolist(), block["severity"].tolist()
        if not system.style.severities:
            bodies = [f"{severity} {body}" for severity, body in zip(severities, bodies, strict=True)]
            severities = [""] * len(bodies)
        columns = [
            pa.array(block["time"]).cast(TIME),
            _names(block["service"], system.names),
            _names(block["pod"], system.pod_names),
            _names(np.array(system.pod_node)[block["pod"]], system.nodes),
            pa.array(severities, pa.string()),
            pa.array(bodies, pa.string()),
            _names(block["trace"], traces),
            _names(block["id"], ids),
        ]
        return pa.table(columns, schema=LOGS)

    def _hex(self, count: int, width: int) -> list[str]:
        """Random ids, the same whenever they are asked for, so that spans and logs agree."""
        digits = np.random.default_rng([self.seed, width]).bytes(count * width // 2).hex()
        return [digits[i : i + width] for i in range(0, len(digits), width)]


@dataclass(frozen=True, slots=True)
class _Seen:
    """One journey's executions as its spans tell them; matrices are (T, K), ids count over the whole case."""

    recorder: Recorder
    executions: Executions
    timeline: Timeline
    trace: Ints
    server_id: Ints
    client_id: Ints
    kept: Bools
    zero_us: int

    @property
    def system(self) -> System:
        return self.recorder.system

    def _tells(self) -> Bools:
        """Calls whose callee records spans (K,)."""
        style, roles = self.system.style, self.system.roles
        return np.array(
            [s not in self.recorder.untold and (style.leaf_spans or roles[s] not in LEAVES) for s in self._services()]
        )

    def _services(self) -> list[int]:
        return self.executions.services().tolist()

    def _asks(self) -> Bools:
        """Calls whose caller records a span of them (K,): all if clients are instrumented, else those of callees that
        record none, and messages.
        """
        told = self._tells()
        caller_tells = told[self.executions.journey.parents]
        asks = caller_tells if self.system.style.client_spans else caller_tells & (~told | self.executions.message)
        asks[0] = False
        return asks

    def server_spans(self) -> dict[str, npt.NDArray[Any]]:
        which = self.timeline.served & self._tells() & self.kept[:, None]
        kind = np.where(self.executions.message, 3, 0)
        start, duration = self.timeline.start_us, self.timeline.duration_us
        return self._block(which, self.server_id, self._parents(), kind, 0, (start, duration), self.timeline.failed)

    def client_spans(self) -> dict[str, npt.NDArray[Any]]:
        which = self.timeline.made & self._asks() & self.kept[:, None]
        kind = np.where(self.executions.message, 2, 1)
        name = np.where(self.executions.message, 2, 1)
        sent, waited = self.timeline.sent_us, self.timeline.waited_us
        above, teller = self._above(), self.executions.journey.parents
        return self._block(which, self.client_id, above, kind, name, (sent, waited), self.timeline.lost, teller)

    def _above(self) -> Ints:
        """The id of the caller's span: where the caller tells nothing, that of the next one above who does."""
        tells, parents, asks = self._tells(), self.executions.journey.parents, self._asks()
        above = np.full_like(self.server_id, NOBODY)
        for call in range(1, len(parents)):
            parent = int(parents[call])
            if tells[parent]:
                above[:, call] = self.server_id[:, parent]
            else:
                above[:, call] = self.client_id[:, parent] if asks[parent] else above[:, parent]
        return above

    def _parents(self) -> Ints:
        return np.where(self._asks(), self.client_id, self._above())

    def _block(
        self,
        which: Bools,
        ids: Ints,
        parent: Ints,
        kind: Ints,
        name: int | Ints,
        time: tuple[Floats, Floats],
        failed: Bools,
        teller: Ints | None = None,
    ) -> dict[str, npt.NDArray[Any]]:
        x = self.executions
        services = x.services() if teller is None else x.services()[teller]
        pod = (x.pod if teller is None else x.pod[:, teller])[which]
        operation = x.journey.operations + np.asarray(name) * len(self.system.operations)
        fine = 1 if self.system.style.statuses else 0
        bad = failed[which] & self.system.style.statuses
        return {
            "trace": self.trace[which],
            "id": ids[which],
            "parent": parent[which],
            "service": np.broadcast_to(services, which.shape)[which],
            "pod": pod,
            "operation": np.broadcast_to(operation, which.shape)[which],
            "kind": np.broadcast_to(kind, which.shape)[which],
            "start": self.zero_us + time[0][which].astype(np.int64) + self.recorder.late_us(pod),
            "duration": np.maximum(1, time[1][which].astype(np.int64)),
            "status": np.where(bad, 2, fine),
        }

    def log_lines(self, line: Line, rng: np.random.Generator) -> dict[str, npt.NDArray[Any]]:
        which = line.which & self.timeline.served[:, line.call]
        rows = int(which.sum())
        begin, length = self.timeline.start_us[which, line.call], self.timeline.duration_us[which, line.call]
        head, _, tail = line.text.partition("{}")
        varies = rng.integers(1, 10_000, rows).tolist()
        texts = [f"{head}{n}{tail}" for n in varies] if "{}" in line.text else [line.text] * rows
        told = self._tells()[line.call]
        pod = self.executions.pod[which, line.call]
        known = self.kept[which.nonzero()[0]] & told
        return {
            "time": self.zero_us
            + self.recorder.late_us(pod)
            + (begin + length * rng.uniform(0.1, 0.95, rows)).astype(np.int64),
            "service": np.full(rows, self.executions.services()[line.call]),
            "pod": pod,
            "severity": np.full(rows, line.severity, dtype=object),
            "body": np.array(texts, dtype=object),
            "trace": np.where(known, self.trace[which, line.call], NOBODY),
            "id": np.where(known, self.server_id[which, line.call], NOBODY),
        }


def _routine_lines(executions: Executions) -> list[Line]:
    operations = [executions.system.operations[op] for op in executions.journey.operations]
    return [Line(call, ~executions.quiet[:, call], "INFO", op.line) for call, op in enumerate(operations) if op.line]


def _complaints(executions: Executions, timeline: Timeline) -> list[Line]:
    """Callers tell of callees that failed them."""
    x, lines = executions, list[Line]()
    for call, parent in enumerate(x.journey.parents.tolist()):
        lost = timeline.lost[:, call]
        if parent < 0 or not lost.any():
            continue
        callee = x.system.names[x.services()[call]]
        severity = "WARN" if x.tolerated[call] else "ERROR"
        refused, failed = x.refused[:, call], timeline.failed[:, call]
        late = lost & ~refused & ~failed
        lines.append(Line(parent, late, severity, f"request to {callee}: no answer in time"))
        lines.append(Line(parent, lost & refused, severity, f"request to {callee} failed: connection refused"))
        lines.append(Line(parent, lost & failed, severity, f"request {{}} to {callee} failed: status 500"))
    return [line for line in lines if line.which.any()]


def _asked(name: str, leaf: bool, verbs: bool) -> str:
    """What the caller's span of a call is called."""
    return "GET" if verbs and not leaf else name


def topology_table(rng: np.random.Generator, system: System) -> pa.Table:
    """Who calls whom and what runs where (`TOPOLOGY`), in no order."""
    names = system.names
    calls = [(a, b) for a, callees in enumerate(system.calls) for b in callees if not system.manners[a, b].message]
    rows = [(names[a], names[b], "calls") for a, b in calls]
    hosts = zip(system.pod_service, system.pod_node, strict=True)
    rows += [(names[s], system.nodes[n], "runs_on") for s, n in sorted(set(hosts))]
    rows = [rows[i] for i in rng.permutation(len(rows))]
    columns = zip(*rows, strict=True) if rows else ([], [], [])
    return pa.table([pa.array(list(column), pa.string()) for column in columns], schema=TOPOLOGY)


def change_table(system: System, changes: list[Change], zero_us: int) -> pa.Table:
    """All changes (`CHANGES`), by time."""
    changes = sorted(changes, key=lambda change: change.at_us)
    columns = [
        pa.array([zero_us + change.at_us for change in changes], pa.int64()).cast(TIME),
        pa.array([system.names[change.service] for change in changes], pa.string()),
        pa.array([change.kind for change in changes], pa.string()),
        pa.array([change.summary for change in changes], pa.string()),
    ]
    return pa.table(columns, schema=CHANGES)


def _sorted(blocks: list[dict[str, npt.NDArray[Any]]], by: str) -> dict[str, npt.NDArray[Any]]:
    columns = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
    order = np.argsort(columns[by], kind="stable")
    return {name: column[order] for name, column in columns.items()}


def _names(numbers: npt.NDArray[Any], names: Any) -> pa.Array:
    """Text from numbers into names; -1 is ""."""
    texts: Any = pa.array([*names, ""], pa.string())
    return texts.take(np.where(numbers < 0, len(names), numbers))
