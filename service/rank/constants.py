"""Every constant of the unlearned rank, each with its reason. Effects are on one scale already, so no channel has a
weight.

`hypocenter-models refit` prints what each would become when it is chosen without one system, and what that costs.
"""

from dataclasses import dataclass

NOTICEABLE = 0.5
"""An effect below this, half of what is usual where nothing is wrong, is as good as none."""

MUCH_TRAFFIC = 1.5
"""An effect of traffic from which on it is the reason for slowness and use of resources: about three times as much."""


NEAR_CHANGE = 0.8
"""The nearness (0 an hour before the onset, 1 with it) from which on a change came just before it: 144 seconds."""


@dataclass(frozen=True, slots=True)
class RankConstants:
    """The constants as one value, so that a refit can try others."""

    power: float = 4.0
    """Effects of several channels are added as the root of the sum of these powers: the largest decides, and two that
    are equally large are a fifth more than one."""

    explained: float = 0.5
    """How much of a caller's symptoms a callee explains that shows as much: it needs no more than half of them to come
    before its caller."""

    down: float = 4.0
    """The effect from which on what stopped explains all that fails or waits above it."""

    beside_traces: float = 0.3
    """What is left of series about latency and errors where traces were recorded: these tell the same, and in whose
    own time it was."""

    edge_penalty: float = 0.5
    """What an edge that is well counts against the blame of its ends, when a bad edge counts one."""

    slow_host: float = 2.0
    """The effect at which a service counts as slow in full when the hosts are compared."""

    host_excess: float = 0.5
    """By how much the share of slow services on a host has to exceed that elsewhere to be the host's own."""

    changed_explained: float = 0.8
    """The part of what callees explain that a change just before the onset takes back."""

    changed: float = 0.5
    """How much more a component's symptoms count when it alone was changed just before the onset."""

    near_change: float = NEAR_CHANGE
    """The nearness from which on changes are rivals: of several that came just before the onset, each counts less."""

    out_of_reach: float = 0.5
    """What is left of a component's suspicion when no calls lead to it from whom the alert names; not nothing, as
    shared hosts and queues carry trouble too."""
