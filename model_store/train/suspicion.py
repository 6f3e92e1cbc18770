"""What a careful engineer makes of a frame's page, read from its words alone: whom to suspect, of what, by which."""

from collections.abc import Iterable, Mapping, Sequence

from service.domain.fault import Fault
from service.llm.alias_text import Reading, Row
from service.llm.faults import fault
from service.llm.weighing import EXPLAINING, FAILURE, SLOWNESS, Symptoms, symptom, symptoms, total, weight

STRANGER = "x"
"""Whoever evidence names and the graph does not know: nobody that could be answered."""

_EXPLAINED = 0.5  # of a caller's symptoms, by its worst callee
_GUILTY, _INNOCENT = 2.0, 0.3  # what a verdict makes of a suspicion
_AS_CALLER = 0.5  # what a row about a component's own calls counts for it, beside one about itself
_ROWS = 3  # that prove one cause

_TIMES = ("self-time", "latency", "metric-latency", "call-time")
_BROKEN = ("error-share", "log-trouble", "lost-call", "metric-error", "unanswered")
_SHOWN_BY: Mapping[Fault, Iterable[str]] = {
    Fault.CPU: ("metric-cpu",),
    Fault.MEMORY: ("metric-memory", "metric-restart"),
    Fault.DISK: ("metric-disk",),
    Fault.NETWORK_DELAY: ("gap", "metric-network", "call-time", "metric-latency"),
    Fault.NETWORK_LOSS: ("gap", "unanswered", "lost-call", "metric-network", "call-time"),
    Fault.SLOW: _TIMES,
    Fault.ERROR: _BROKEN,
    Fault.WRONG_RESULT: ("lost-call", "log-trouble", "log-other", "new-call", "calls"),
    Fault.LOCK: ("metric-pool", "log-trouble", *_TIMES),
    Fault.DEPENDENCY: (*_TIMES, "unanswered", "error-share"),
    Fault.CONFIG: ("change",),
    Fault.DEPLOY: ("change",),
    Fault.CRASH: ("metric-restart", "unanswered", "silence"),
    Fault.OVERLOAD: ("traffic", "metric-traffic"),
}
"""Symptoms of which at least one is seen where a component has that fault."""


def suspicions(reading: Reading) -> dict[str, float]:
    """How much speaks against each component that the page tells of, less what its worst callee explains, and with
    what investigations found.
    """
    found = symptoms(reading.rows.values())
    left = {c: _left(found, c, reading.calls_seen(c)) for c in found if c != STRANGER}
    for component, verdict in reading.verdicts.items():
        left[component] = left.get(component, 0.0) * (_GUILTY if verdict.guilty else _INNOCENT)
    return left


def explained_below(reading: Reading) -> float:
    """How much of what could explain the symptoms of a child frame's component its worst callee shows."""
    found = symptoms(reading.rows.values())
    against = found.get(reading.component, {})
    possible = [cause for caused, cause in EXPLAINING.items() if total(against, caused) > 0]
    return max((_below(found, reading.callees(), cause) for cause in possible), default=0.0)


def fails_rather_than_slows(reading: Reading, component: str | None = None) -> bool:
    """Whether more on the page speaks of failure than of slowness: of one component, or anywhere."""
    found = symptoms(reading.rows.values())
    told = found.values() if component is None else [found.get(component, {})]
    return max((total(a, FAILURE) for a in told), default=0.0) > max((total(a, SLOWNESS) for a in told), default=0.0)


def speaking(reading: Reading, component: str) -> list[Row]:
    """Rows that speak against a component, those about itself before those about the calls that it makes."""
    against = [row for row in reading.about(component) if weight(row) > 0]
    return sorted(against, key=lambda r: (-weight(r) * (1.0 if r.owner == component else _AS_CALLER), int(r.id[1:])))


def proof(reading: Reading, component: str) -> list[Row]:
    """The strongest of these, one of each symptom."""
    best: dict[str, Row] = {}
    for row in speaking(reading, component):
        best.setdefault(symptom(row), row)
    return list(best.values())[:_ROWS]


def named_fault(rows: Sequence[Row], true: Fault | None = None) -> Fault:
    """The true fault if any of the rows shows what it shows; else the one that the rows (weightiest first) suggest."""
    if true is not None and {symptom(row) for row in rows} & set(_SHOWN_BY.get(true, ())):
        return true
    return fault(rows)


def _left(found: Mapping[str, Symptoms], component: str, callees: set[str]) -> float:
    against = found[component]
    explained = (min(total(against, caused), _below(found, callees, cause)) for caused, cause in EXPLAINING.items())
    return total(against) - _EXPLAINED * sum(explained)


def _below(found: Mapping[str, Symptoms], callees: set[str], cause: frozenset[str]) -> float:
    return max((total(found[c], cause) for c in callees if c in found), default=0.0)
