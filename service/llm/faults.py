from collections.abc import Mapping, Sequence

from service.llm.alias_text import Row
from service.llm.weighing import symptom, weight

_FAULT: Mapping[str, str] = {
    "gap": "network-delay",
    "self-time": "slow",
    "call-time": "dependency",
    "latency": "slow",
    "error-share": "error",
    "log-trouble": "error",
    "log-other": "wrong-result",
    "unanswered": "network-loss",
    "lost-call": "wrong-result",
    "new-call": "wrong-result",
    "silence": "crash",
    "change": "deploy",
    "traffic": "overload",
    "metric-cpu": "cpu",
    "metric-memory": "memory",
    "metric-disk": "disk",
    "metric-network": "network-loss",
    "metric-pool": "overload",
    "metric-restart": "crash",
    "metric-latency": "slow",
    "metric-error": "error",
    "metric-traffic": "overload",
}
_NOTICEABLE = 0.1


def proof(rows: Sequence[Row], limit: int = 3) -> list[Row]:
    """The rows that weigh most, one of each symptom."""
    best: dict[str, Row] = {}
    for row in sorted(rows, key=lambda r: (-weight(r), int(r.id[1:]))):
        if weight(row) > 0:
            best.setdefault(symptom(row), row)
    return list(best.values())[:limit]


def fault(rows: Sequence[Row]) -> str:
    """The fault kind that rows (weightiest first) speak of: a resource that is used up is why code is slow."""
    seen = {symptom(row): weight(row) for row in rows}
    resources = [name for name in ("metric-cpu", "metric-memory", "metric-disk") if seen.get(name, 0) > _NOTICEABLE]
    first = next(iter(seen), "")
    if resources and first in ("self-time", "latency", "metric-latency", *resources):
        return _FAULT[resources[0]]
    return _FAULT.get(first, "unknown")
