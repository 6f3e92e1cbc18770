"""Which fault a component's features point to."""

from service.domain.fault import Fault
from service.rank.channels import Channel
from service.rank.constants import MUCH_TRAFFIC, NEAR_CHANGE, NOTICEABLE
from service.rank.features import Feature
from service.rank.symptoms import Symptoms

_POINTS_TO: dict[Feature, Fault] = {
    Feature.GAP: Fault.NETWORK_DELAY,
    Feature.SELF_TIME: Fault.SLOW,
    Feature.CALL_TIME: Fault.DEPENDENCY,
    Feature.LATENCY: Fault.SLOW,
    Feature.POOL: Fault.LOCK,
    Feature.METRIC_LATENCY: Fault.SLOW,
    Feature.METRIC_ERROR: Fault.ERROR,
    Feature.ERRORS: Fault.ERROR,
    Feature.UNANSWERED: Fault.NETWORK_LOSS,
    Feature.DOWN: Fault.CRASH,
    Feature.LOG_TROUBLE: Fault.ERROR,
    Feature.LOG_OTHER: Fault.WRONG_RESULT,
    Feature.LOST_CALL: Fault.WRONG_RESULT,
    Feature.LOST_LINE: Fault.WRONG_RESULT,
    Feature.CPU: Fault.CPU,
    Feature.MEMORY: Fault.MEMORY,
    Feature.DISK: Fault.DISK,
    Feature.NEW_CALL: Fault.WRONG_RESULT,
    Feature.NETWORK: Fault.NETWORK_DELAY,
}

# Where a resource is noticeably short, slowness is its effect; asked in this order.
_RESOURCES: tuple[tuple[Feature, Fault], ...] = (
    (Feature.DISK, Fault.DISK),
    (Feature.MEMORY, Fault.MEMORY),
    (Feature.CPU, Fault.CPU),
)
_OF_CHANGE = {"deploy": Fault.DEPLOY, "config": Fault.CONFIG, "restart": Fault.CRASH}


def guess_fault(symptoms: Symptoms) -> Fault:
    """The fault whose reason is seen; else the one with the largest effects behind it. What logs say is not asked:
    anybody may write that.

    A resource that is short makes slow; where more speaks of failure it is beside the point. Failing without errors
    being thrown, though calls no longer follow, is a wrong result.
    """
    effects = symptoms.features
    if fault := _told_by_a_change(symptoms):
        return fault
    if effects.get(Feature.TRAFFIC, 0.0) > MUCH_TRAFFIC:
        return Fault.OVERLOAD
    if effects.get(Feature.RESTART, 0.0) > NOTICEABLE:
        return Fault.CRASH
    if Channel.HOST in symptoms.channels:
        return Fault.CPU
    failing = max(effects.get(Feature.ERRORS, 0.0), effects.get(Feature.LOG_TROUBLE, 0.0))
    for feature, fault in _RESOURCES:
        if effects.get(feature, 0.0) > max(NOTICEABLE, failing / 2):
            return fault
    totals: dict[Fault, float] = {}
    for feature, effect in effects.items():
        if fault := _POINTS_TO.get(feature):
            totals[fault] = totals.get(fault, 0.0) + effect
    if effects.get(Feature.CALL_TIME, 0.0) > NOTICEABLE:
        return Fault.DEPENDENCY
    best = max(totals, key=lambda f: totals[f], default=Fault.UNKNOWN)
    returned_early = Feature.ERRORS not in effects and effects.get(Feature.LOST_CALL, 0.0) > NOTICEABLE
    return Fault.WRONG_RESULT if best is Fault.ERROR and returned_early else best


def _told_by_a_change(symptoms: Symptoms) -> Fault | None:
    """The kind of a change that came just before its component went wrong."""
    if symptoms.changed < NEAR_CHANGE or max(symptoms.channels.values(), default=0.0) <= NOTICEABLE:
        return None
    return _OF_CHANGE.get(symptoms.rows[Feature.CHANGE][0].subject)
