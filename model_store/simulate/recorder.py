"""Turns what was played into the tables of a case, in the order in which a store would give them."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from model_store.simulate.executions import Bools, Executions, Line, Timeline, play
from model_store.simulate.gauges import NAMES, Gauges
from model_store.simulate.scene import Change
from model_store.simulate.system import LEAVES, System
from model_store.simulate.workload import Floats, Ints
from service.ports import CHANGES, LOGS, METRICS, SPANS, TIME, TOPOLOGY

NOBODY = -1
KINDS = ("server", "client")
STATUSES = ("unset", "ok", "error")


@dataclass(slots=True)
class Recorder:
    """Collects spans and log lines, a block of columns for each journey and period, as numbers until the end.

    ``zero_us`` is the moment (µs since the epoch) that a period's times count from.
    """

    rng: np.random.Generator
    system: System
    spans: list[dict[str, npt.NDArray[Any]]] = field(default_factory=list)
    logs: list[dict[str, npt.NDArray[Any]]] = field(default_factory=list)
    ids: int = 0
    traces: int = 0
    seed: int = field(init=False)

    def __post_init__(self) -> None:
        self.seed = int(self.rng.integers(2**53))

    def record(self, executions: Executions, zero_us: int) -> None:
        """Plays the executions and keeps what the system tells of them."""
        timeline = play(executions)
        requests, calls = timeline.made.shape
        own = self.ids + np.arange(requests * calls).reshape(requests, calls)
        trace = np.broadcast_to(self.traces + np.arange(requests)[:, None], own.shape)
        seen = _Seen(self.system, executions, timeline, trace, own, own + own.size, zero_us)
        self.ids += 2 * own.size
        self.traces += requests
        self.spans += [seen.server_spans(), seen.client_spans()]
        lines = [*_routine_lines(executions), *executions.lines, *_complaints(executions, timeline)]
        self.logs += [seen.log_lines(line, self.rng) for line in lines]

    def span_table(self) -> pa.Table:
        """All spans (`SPANS`), by start."""
        if not self.spans:
            return SPANS.empty_table()
        block = _sorted(self.spans, "start")
        system, style = self.system, self.system.style
        ids, traces = self._hex(self.ids, 16), self._hex(self.traces, 32)
        operations = [op.name for op in system.operations]
        node = np.array(system.pod_node)[block["pod"]] if style.nodes_in_spans else np.full(len(block["pod"]), NOBODY)
        columns = [
            _names(block["trace"], traces),
            _names(block["id"], ids),
            _names(block["parent"], ids),
            _names(block["service"], system.names),
            _names(block["pod"], system.pod_names),
            _names(node, system.nodes),
            _names(block["operation"], operations),
            _names(block["kind"], KINDS),
            pa.array(block["start"]).cast(TIME),
            pa.array(block["duration"]),
            _names(block["status"], STATUSES),
        ]
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

    system: System
    executions: Executions
    timeline: Timeline
    trace: Ints
    server_id: Ints
    client_id: Ints
    zero_us: int

    def _tells(self) -> Bools:
        """Calls whose callee records spans (K,)."""
        roles = [self.system.roles[s] for s in self.executions.services()]
        return np.array([self.system.style.leaf_spans or role not in LEAVES for role in roles])

    def _served(self) -> Bools:
        return self.timeline.served & self._tells()

    def _sent(self) -> Bools:
        """Calls of which the caller has a span: of all if its clients are instrumented, else of silent callees."""
        told = np.ones_like(self._tells()) if self.system.style.client_spans else ~self._tells()
        told[0] = False
        return self.timeline.made & told

    def server_spans(self) -> dict[str, npt.NDArray[Any]]:
        parents = self.executions.journey.parents
        above = np.where(parents >= 0, self.server_id[:, parents], NOBODY)
        parent = np.where(self._sent(), self.client_id, above)
        start, duration = self.timeline.start_us, self.timeline.duration_us
        return self._block(self._served(), self.server_id, parent, 0, start, duration, self.executions.services())

    def client_spans(self) -> dict[str, npt.NDArray[Any]]:
        parents, services = self.executions.journey.parents, self.executions.services()
        above = np.where(parents >= 0, self.server_id[:, parents], NOBODY)
        sent, waited = self.timeline.sent_us, self.timeline.waited_us
        return self._block(self._sent(), self.client_id, above, 1, sent, waited, services[parents], parents)

    def _block(
        self,
        which: Bools,
        ids: Ints,
        parent: Ints,
        kind: int,
        start: Floats,
        duration: Floats,
        services: Ints,
        teller: Ints | None = None,
    ) -> dict[str, npt.NDArray[Any]]:
        pod = self.executions.pod if teller is None else self.executions.pod[:, teller]
        rows = int(which.sum())
        fine = 1 if self.system.style.statuses else 0
        failed = self.timeline.failed[which] & self.system.style.statuses
        return {
            "trace": self.trace[which],
            "id": ids[which],
            "parent": parent[which],
            "service": np.broadcast_to(services, which.shape)[which],
            "pod": pod[which],
            "operation": np.broadcast_to(self.executions.journey.operations, which.shape)[which],
            "kind": np.full(rows, kind),
            "start": self.zero_us + start[which].astype(np.int64),
            "duration": np.maximum(1, duration[which].astype(np.int64)),
            "status": np.where(failed, 2, fine),
        }

    def log_lines(self, line: Line, rng: np.random.Generator) -> dict[str, npt.NDArray[Any]]:
        which = line.which & self.timeline.served[:, line.call]
        rows = int(which.sum())
        begin, length = self.timeline.start_us[which, line.call], self.timeline.duration_us[which, line.call]
        head, _, tail = line.text.partition("{}")
        varies = rng.integers(1, 10_000, rows).tolist()
        texts = [f"{head}{n}{tail}" for n in varies] if "{}" in line.text else [line.text] * rows
        told = self._tells()[line.call]
        return {
            "time": self.zero_us + (begin + length * rng.uniform(0.1, 0.95, rows)).astype(np.int64),
            "service": np.full(rows, self.executions.services()[line.call]),
            "pod": self.executions.pod[which, line.call],
            "severity": np.full(rows, line.severity, dtype=object),
            "body": np.array(texts, dtype=object),
            "trace": self.trace[which, line.call] if told else np.full(rows, NOBODY),
            "id": self.server_id[which, line.call] if told else np.full(rows, NOBODY),
        }


def _routine_lines(executions: Executions) -> list[Line]:
    operations = [executions.system.operations[op] for op in executions.journey.operations]
    everyone = np.ones(len(executions.arrived_us), bool)
    return [Line(call, everyone, "INFO", op.line) for call, op in enumerate(operations) if op.line]


def _complaints(executions: Executions, timeline: Timeline) -> list[Line]:
    """Callers tell of callees that failed them."""
    lines: list[Line] = []
    for call, parent in enumerate(executions.journey.parents.tolist()):
        failed = timeline.failed[:, call] & timeline.made[:, call]
        if parent < 0 or not failed.any():
            continue
        callee = executions.system.names[executions.services()[call]]
        silent = executions.unanswered[:, call]
        lines.append(Line(parent, failed & silent, "ERROR", f"request to {callee} timed out after 2000 ms"))
        lines.append(Line(parent, failed & ~silent, "WARN", f"request {{}} to {callee} failed: status 500"))
    return lines


def metric_table(gauges: Gauges, zero_us: int) -> pa.Table:
    """All samples (`METRICS`), series by series."""
    system = gauges.system
    pods, nodes = list(system.pod_names), list(system.nodes)
    owners = [system.names[s] for s in system.pod_service]
    tables: list[pa.Table] = []
    for measure, (name, unit, scale) in NAMES[system.style.metric_names].items():
        values = np.minimum(gauges.values[measure], 99.5) if measure == "node" else gauges.values[measure]
        series, sample = np.nonzero(~np.isnan(values))
        components, kind = (nodes, "node") if measure == "node" else (pods, "pod")
        services = [""] * len(nodes) if measure == "node" else owners
        columns = [
            pa.array((zero_us + gauges.times_us[sample]).astype(np.int64)).cast(TIME),
            _names(series, components),
            _names(np.zeros_like(series), [kind]),
            _names(series, services),
            _names(np.zeros_like(series), [name]),
            _names(np.zeros_like(series), [unit]),
            pa.array(np.round(values[series, sample] * scale, 4)),
        ]
        tables.append(pa.table(columns, schema=METRICS))
    return pa.concat_tables(tables).combine_chunks()


def topology_table(rng: np.random.Generator, system: System) -> pa.Table:
    """Who calls whom and what runs where (`TOPOLOGY`), in no order."""
    names = system.names
    rows = [(names[a], names[b], "calls") for a, callees in enumerate(system.calls) for b in callees]
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
