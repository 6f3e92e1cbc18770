from collections.abc import Mapping, Sequence

from service.domain.fault import Fault
from service.llm.alias_text import Row
from service.llm.weighing import symptom, weight

_POINTS_TO: Mapping[str, Fault] = {
    "gap": Fault.NETWORK_DELAY,
    "self-time": Fault.SLOW,
    "call-time": Fault.DEPENDENCY,
    "latency": Fault.SLOW,
    "error-share": Fault.ERROR,
    "log-trouble": Fault.ERROR,
    "log-other": Fault.WRONG_RESULT,
    "unanswered": Fault.NETWORK_LOSS,
    "lost-call": Fault.WRONG_RESULT,
    "new-call": Fault.WRONG_RESULT,
    "silence": Fault.CRASH,
    "change": Fault.DEPLOY,
    "traffic": Fault.OVERLOAD,
    "metric-cpu": Fault.CPU,
    "metric-memory": Fault.MEMORY,
    "metric-disk": Fault.DISK,
    "metric-network": Fault.NETWORK_LOSS,
    "metric-pool": Fault.OVERLOAD,
    "metric-restart": Fault.CRASH,
    "metric-latency": Fault.SLOW,
    "metric-error": Fault.ERROR,
    "metric-traffic": Fault.OVERLOAD,
}
_NOTICEABLE = 0.1


def proof(rows: Sequence[Row], limit: int = 3) -> list[Row]:
    """The rows that weigh most, one of each symptom."""
    best: dict[str, Row] = {}
    for row in sorted(rows, key=lambda r: (-weight(r), int(r.id[1:]))):
        if weight(row) > 0:
            best.setdefault(symptom(row), row)
    return list(best.values())[:limit]


def fault(rows: Sequence[Row]) -> Fault:
    """The fault kind that rows (weightiest first) speak of: a resource that is used up is why code is slow."""
    seen = {symptom(row): weight(row) for row in rows}
    resources = [name for name in ("metric-cpu", "metric-memory", "metric-disk") if seen.get(name, 0) > _NOTICEABLE]
    first = next(iter(seen), "")
    if resources and first in ("self-time", "latency", "metric-latency", *resources):
        return _POINTS_TO[resources[0]]
    return _POINTS_TO.get(first, Fault.UNKNOWN)
