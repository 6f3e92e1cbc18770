"""Channels: the few ways in which a component does harm. Features of one channel tell the same story, so the largest
effect of them stands for it; channels are added up.
"""

from enum import StrEnum
from typing import Final

from service.rank.features import Feature


class Channel(StrEnum):
    """A way in which a component does harm."""

    WAIT = "wait"  # whoever calls it waits, and it does not work for so long
    SELF = "self"  # its own code takes longer
    LATENCY = "latency"  # by its series it takes longer than whom it calls explains
    RESOURCE = "resource"
    POOL = "pool"
    HOST = "host"  # those that run on it are slow, others are not
    FAILURE = "failure"  # executions fail there, calls to it do
    TROUBLE = "trouble"  # it writes warnings and errors
    LOST = "lost"  # it no longer does, or writes, what it did
    ERRORS = "errors"  # its series count failures
    STOPPED = "stopped"  # it is not there, or began anew
    TRAFFIC = "traffic"


CHANNELS: Final[dict[Feature, Channel]] = {
    Feature.GAP: Channel.WAIT,
    Feature.CALL_TIME: Channel.WAIT,
    Feature.SELF_TIME: Channel.SELF,
    Feature.METRIC_LATENCY: Channel.LATENCY,
    Feature.CPU: Channel.RESOURCE,
    Feature.MEMORY: Channel.RESOURCE,
    Feature.DISK: Channel.RESOURCE,
    Feature.POOL: Channel.POOL,
    Feature.ERRORS: Channel.FAILURE,
    Feature.UNANSWERED: Channel.FAILURE,
    Feature.LOG_TROUBLE: Channel.TROUBLE,
    Feature.LOST_CALL: Channel.LOST,
    Feature.LOST_LINE: Channel.LOST,
    Feature.LOG_OTHER: Channel.LOST,
    Feature.METRIC_ERROR: Channel.ERRORS,
    Feature.RESTART: Channel.STOPPED,
    Feature.DOWN: Channel.STOPPED,
    Feature.TRAFFIC: Channel.TRAFFIC,
}
"""All other features speak against nobody by themselves: they are inclusive (callers of a slow service show them too),
follow the mix of requests, or, as changes, happen all the time.
"""

SLOWNESS = frozenset({Channel.WAIT, Channel.SELF, Channel.LATENCY, Channel.POOL})
FAILURE = frozenset({Channel.FAILURE, Channel.TROUBLE, Channel.LOST, Channel.ERRORS})

EXPLAINED_SLOWNESS = frozenset({Channel.SELF, Channel.LATENCY, Channel.POOL})
"""Slowness that a slow callee can cause. A wait cannot: it is what the callee's own time does not cover."""

EXPLAINING = {FAILURE: FAILURE, EXPLAINED_SLOWNESS: SLOWNESS | {Channel.RESOURCE}}
"""What a callee must show to explain each kind of its caller's symptoms."""
