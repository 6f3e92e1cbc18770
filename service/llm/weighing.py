"""How much a row of evidence speaks against the component that it is about: general principles, no system's own.

A fault's own traces (a resource used up, time that no callee accounts for, errors that begin here, log lines never seen
before) weigh more than what travels: latency and traffic go up and down the call graph with somebody else's fault.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from service.llm.alias_text import Row

_RISING = {
    "gap": 1.0,  # waits that the callee does not account for: the network, or a callee that cannot begin
    "self-time": 0.9,  # its own code is slow
    "latency": 0.2,  # its own or its callees'
    "error-share": 1.0,  # errors that begin here
    "calls": 0.3,  # retries: somebody below fails
    "new-call": 0.3,
    "traffic": 0.1,
    "log-more": 0.3,
    "log-new": 0.3,
    "change": 0.5,
}
_FALLING = {"lost-call": 0.5, "silence": 0.8, "log-less": 0.2, "log-gone": 0.2}
_METRICS = {
    "cpu": 1.0,
    "memory": 0.6,
    "disk": 0.4,
    "network": 0.3,
    "latency": 0.2,
    "error": 0.7,
    "restart": 1.0,
    "pool": 0.5,
    "traffic": 0.1,
    "other": 0.2,
}
_SEVERE = {"ERROR": 3.0, "WARN": 2.5}  # times the weight of an ordinary line
_COMMON = 3  # gaps from one caller to this many callees are the caller's own slowness

_FAULT_OF_METRIC = {
    "cpu": "cpu",
    "memory": "memory",
    "disk": "disk",
    "network": "network-loss",
    "error": "error",
    "restart": "crash",
    "pool": "overload",
    "latency": "slow",
}
_FAULT_OF_KIND = {
    "gap": "network-delay",
    "self-time": "slow",
    "latency": "slow",
    "error-share": "error",
    "silence": "crash",
    "change": "deploy",
}


def weight(row: Row) -> float:
    """What a row counts: its strength (in digits), the weight of its kind, and how large the change is."""
    if row.kind == "metric":
        bad = row.rising != row.inverse
        return row.score * _METRICS.get(row.metric_class, 0.2) * (1.0 if bad else 0.2)
    if row.kind == "lost-call" and row.caller:
        return row.score * 0.9 * _size(row)  # calls without an answer
    towards = _RISING if row.rising else _FALLING
    kind = towards.get(row.kind, 0.05) * (_SEVERE.get(row.severity, 1.0) if row.kind.startswith("log-") else 1.0)
    return row.score * kind * _size(row)


def _size(row: Row) -> float:
    """Half for a change that hardly can be felt, one and a half for a drastic one."""
    if row.duration >= 0:
        return 0.3 + row.duration / 7
    return 0.5 + row.share / 9 if row.share >= 0 else 1.0


def weigh(rows: Iterable[Row]) -> dict[str, float]:
    """Suspicion of every component that rows speak of."""
    shared = tuple(rows)
    common = _slow_callers(shared)
    weights: dict[str, list[float]] = {}
    for row in shared:
        if row.kind == "gap" and row.rising and row.caller in common:
            weights.setdefault(row.caller, []).append(weight(row) / 2)
            weights.setdefault(row.owner, []).append(weight(row) / 4)
        else:
            weights.setdefault(row.owner, []).append(weight(row))
    return {component: _together(values) for component, values in weights.items()}


def _slow_callers(rows: Sequence[Row]) -> set[str]:
    """Callers that wait on everybody: what they have in common is themselves."""
    waits = {(r.caller, r.owner) for r in rows if r.kind == "gap" and r.rising and r.caller}
    counts: Mapping[str, int] = Counter(caller for caller, _ in waits)
    return {caller for caller, count in counts.items() if count >= _COMMON}


def _together(weights: Iterable[float]) -> float:
    """The strongest in full, every further one by half of the one before."""
    return sum(w / 2**i for i, w in enumerate(sorted(weights, reverse=True)))


def proof(rows: Iterable[Row], limit: int = 3) -> list[Row]:
    """The rows that weigh most."""
    return sorted(rows, key=lambda r: (-weight(r), int(r.id[1:])))[:limit]


def fault(rows: Sequence[Row]) -> str:
    """The fault kind that a component's rows speak of, most telling first."""
    if not rows:
        return "unknown"
    classes = {r.metric_class for r in rows if r.kind == "metric" and r.rising}
    first = rows[0]
    if first.kind == "self-time" and "cpu" in classes:
        return "cpu"
    if first.kind == "metric":
        return _FAULT_OF_METRIC.get(first.metric_class, "unknown")
    if first.kind == "lost-call":
        return "network-loss" if first.caller else "wrong-result"
    if first.kind.startswith("log-"):
        return "error" if first.severity == "ERROR" else "wrong-result"
    return _FAULT_OF_KIND.get(first.kind, "unknown")
