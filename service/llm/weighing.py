"""How much rows of evidence speak against the component that they are about: general principles, no system's own.

Every row tells of one symptom. The strongest row of a symptom counts, with the symptom's worth, of which there are four
grades and no more: this policy is a yardstick for models, not a second statistical rank, and shares no constant
with that one (`service.rank.constants`), which nothing of `llm` may import.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from service.llm.alias_text import Row

_WORTH = {
    # Nobody writes new warnings for another's sake, and nothing else shows wrong results.
    2.0: "log-trouble",
    # What begins in a component: time that no callee covers, a resource used up, answers that fail or never come.
    1.0: "gap self-time call-time error-share unanswered lost-call metric-cpu metric-memory metric-restart",
    # The same told roughly, or something that is often harmless.
    0.5: "metric-disk metric-pool metric-latency metric-error change",
    # What travels along calls, or follows the mix of requests.
    0.2: "latency traffic calls new-call silence log-other metric-traffic metric-network metric-other metric-outgoing",
}
WEIGHTS = {name: worth for worth, names in _WORTH.items() for name in names.split()}
"""What each symptom is worth."""

SLOWNESS = frozenset({"gap", "self-time", "call-time", "latency", "metric-latency", "metric-pool"})
RESOURCES = frozenset({"metric-cpu", "metric-memory", "metric-disk"})
FAILURE = frozenset(
    {"error-share", "log-trouble", "log-other", "unanswered", "lost-call", "new-call", "calls", "silence"}
    | {"metric-error", "metric-outgoing"}
)
EXPLAINING = {SLOWNESS: SLOWNESS | RESOURCES, FAILURE: FAILURE | {"metric-restart"}}
"""Symptoms that a callee can cause, and what the callee shows when it does: who is slow does not explain who fails."""

_FALLING = frozenset({"lost-call", "silence", "log-other", "metric-other", "change"})
_TIMES = frozenset({"gap", "self-time", "call-time", "latency"})
_HALF_SCORE = {"time": 6.0, "series": 8.0, "share": 3.0}
_IDLE = 0.5  # what is left of a resource's weight where nothing has become slower
_COMMON = 2  # gaps as large from one caller to so many callees are the caller's own
_AS_LARGE = 2  # digits of strength

Symptoms = dict[str, float]
"""What speaks against a component: its symptoms, each with weight times strength."""


def symptom(row: Row) -> str:
    """What a row is a symptom of; "" if it speaks against nobody: faster, fewer errors, less load."""
    name, bad = _named(row)
    return name if bad or name in _FALLING else ""


def _named(row: Row) -> tuple[str, bool]:
    if row.kind == "metric":
        return f"metric-{'outgoing' if row.outgoing else row.metric_class or 'other'}", row.rising != row.inverse
    if row.kind.startswith("log-"):
        return "log-trouble" if row.severity in ("ERROR", "WARN") else "log-other", row.rising
    if row.kind == "lost-call" and row.rising:
        return "unanswered", True
    if row.kind == "latency" and row.caller:
        return "call-time", row.rising
    return row.kind, row.rising


def strength(row: Row) -> float:
    """0 to 1: how significant a row is, times how large."""
    deviations = 2 ** (row.score / 1.4) - 1
    name = symptom(row)
    if name in _TIMES:
        return deviations / (deviations + _HALF_SCORE["time"]) * (1.0 if row.impact < 0 else (row.impact + 0.5) / 9)
    if row.kind == "metric":
        doublings = int(row.change[1:]) / 2 if row.change[1:].isdigit() else float(row.change != "flat") * 2
        usual = 1.0 if row.impact < 0 else row.impact / 9
        return deviations / (deviations + _HALF_SCORE["series"]) * min(doublings / 2, 1.0) * usual
    return deviations / (deviations + _HALF_SCORE["share"])


def weight(row: Row) -> float:
    """What one row counts."""
    return WEIGHTS.get(symptom(row), 0.0) * strength(row)


def symptoms(rows: Iterable[Row]) -> dict[str, Symptoms]:
    """What speaks against every component that rows tell of."""
    told = tuple(rows)
    slow_callers = _slow_callers(told)
    found: dict[str, Symptoms] = {}
    for row in told:
        blamed = row.caller if row.kind == "gap" and row.caller in slow_callers else row.owner
        against = found.setdefault(blamed, {})
        name = symptom(row)
        against[name] = max(against.get(name, 0.0), weight(row))
    for against in found.values():
        if not against.keys() & SLOWNESS:
            against.update({name: _IDLE * worth for name, worth in against.items() if name in RESOURCES})
    return found


def total(against: Symptoms, of: frozenset[str] | None = None) -> float:
    """How much speaks against a component, in all or by some symptoms."""
    return sum(worth for name, worth in against.items() if of is None or name in of)


def _slow_callers(rows: Sequence[Row]) -> set[str]:
    """Callers that wait on everybody: what they have in common is themselves."""
    waits: dict[tuple[str, str], int] = {}
    for row in rows:
        if symptom(row) == "gap" and row.caller:
            waits[row.caller, row.owner] = max(waits.get((row.caller, row.owner), 0), row.score)
    worst: dict[str, int] = {}
    for (caller, _), score in waits.items():
        worst[caller] = max(worst.get(caller, 0), score)
    large = [(caller, callee) for (caller, callee), score in waits.items() if score + _AS_LARGE >= worst[caller]]
    callees, callers = Counter(caller for caller, _ in large), Counter(callee for _, callee in large)
    return {a for a, b in large if callees[a] >= _COMMON and callees[a] > callers[b]}
