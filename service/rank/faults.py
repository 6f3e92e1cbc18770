"""Which fault a component's features point to."""

from collections.abc import Mapping

from service.domain.fault import Fault
from service.rank.features import Feature, Symptoms

_POINTS_TO: dict[Feature, Fault] = {
    Feature.GAP: Fault.NETWORK_DELAY,
    Feature.SELF_TIME: Fault.SLOW,
    Feature.CALL_TIME: Fault.DEPENDENCY,
    Feature.LATENCY: Fault.SLOW,
    Feature.CPU: Fault.CPU,
    Feature.MEMORY: Fault.MEMORY,
    Feature.DISK: Fault.DISK,
    Feature.NETWORK: Fault.NETWORK_DELAY,
    Feature.TRAFFIC: Fault.OVERLOAD,
    Feature.POOL: Fault.LOCK,
    Feature.RESTART: Fault.CRASH,
    Feature.METRIC_LATENCY: Fault.SLOW,
    Feature.METRIC_ERROR: Fault.ERROR,
    Feature.ERRORS: Fault.ERROR,
    Feature.UNANSWERED: Fault.NETWORK_LOSS,
    Feature.LOG_TROUBLE: Fault.ERROR,
    Feature.LOG_OTHER: Fault.WRONG_RESULT,
    Feature.LOST_CALL: Fault.WRONG_RESULT,
    Feature.NEW_CALL: Fault.WRONG_RESULT,
    Feature.CALLS: Fault.ERROR,
    Feature.SILENCE: Fault.CRASH,
    Feature.CHANGE: Fault.DEPLOY,
}


def guess_fault(weighted: Mapping[Feature, float], _symptoms: Symptoms) -> Fault:
    """The fault with the most weighted strength behind it."""
    totals: dict[Fault, float] = {}
    for feature, weight in weighted.items():
        if fault := _POINTS_TO.get(feature):
            totals[fault] = totals.get(fault, 0.0) + weight
    return max(totals, key=lambda f: totals[f], default=Fault.UNKNOWN)
