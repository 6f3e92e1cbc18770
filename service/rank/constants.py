"""Every constant of the statistical rank, each with its reason.

`hypocenter-models refit --leave-one-system-out` prints what each would become when it is chosen without one system, and
what that costs. They are round numbers on purpose: a tenth more or less must not matter.
"""

from dataclasses import dataclass, field, replace

from service.rank.features import Feature

NOTICEABLE = 0.1
"""A strength below this is as good as none."""

MUCH_TRAFFIC = 0.35
"""A strength of traffic from which on it is the reason for slowness and use of resources: about three times as much."""


def _weights() -> dict[Feature, float]:
    return {
        # Time that cannot be explained away: it is measured between a caller and its callee, or within one service.
        Feature.GAP: 1.0,
        Feature.SELF_TIME: 1.0,
        # Calls to what writes no spans of its own: databases, caches, other people's services.
        Feature.CALL_TIME: 1.0,
        # Inclusive: all callers of a slow service show it too. It only breaks ties, and serves where nothing else does.
        Feature.LATENCY: 0.2,
        # A resource that is used several times more than ever before is seldom a symptom.
        Feature.CPU: 1.2,
        Feature.MEMORY: 0.8,
        Feature.DISK: 0.6,
        # Traffic of a pod follows the mix of requests: weak.
        Feature.NETWORK: 0.1,
        Feature.TRAFFIC: 0.2,
        Feature.POOL: 0.6,
        Feature.RESTART: 1.0,
        # Whoever looks sees that it is not there: no symptom of anything else.
        Feature.DOWN: 2.0,
        # Series about latency and errors are inclusive, like the spans' own durations.
        Feature.METRIC_LATENCY: 0.5,
        Feature.METRIC_ERROR: 0.6,
        # What a component's own calls take or lose says more about those whom it calls.
        Feature.CALLEES: 0.1,
        Feature.OTHER_METRIC: 0.1,
        # Where an error arises, by status.
        Feature.ERRORS: 1.2,
        Feature.UNANSWERED: 1.0,
        # New warnings and errors, given the operation: the strongest sign of faults that no series shows.
        Feature.LOG_TROUBLE: 2.0,
        Feature.LOG_OTHER: 0.3,
        Feature.LOST_CALL: 0.8,
        # A statement that no longer writes its line is one that is no longer reached.
        Feature.LOST_LINE: 0.8,
        # New paths are mostly what a caller does about a callee's failure.
        Feature.NEW_CALL: 0.2,
        Feature.CALLS: 0.2,
        Feature.SILENCE: 0.2,
        Feature.CHANGE: 0.5,
    }


@dataclass(frozen=True, slots=True)
class RankConstants:
    """The constants as one value, so that a refit can try others."""

    weights: dict[Feature, float] = field(default_factory=_weights)

    half_share: float = 3.0
    """The score at which a share has half its weight: its noise is that of counting, which is known exactly."""

    chance: float = 2.0
    """The score that chance reaches where thousands of pairs are compared: only what is above it counts there."""

    half_time: float = 6.0
    """The same for times: their tails are heavy."""

    half_series: float = 8.0
    """The same for series: few samples, an earlier fault's tail in the baseline, and dozens of them per component."""

    half_impact: float = 0.05
    """The part of the requests' time at which a shift of times has half its weight."""

    half_peer: float = 0.5
    """The change of a series, in units of what is usual among its peers, at which it has half its weight."""

    full_doublings: float = 2.0
    """A series counts in full when it has doubled (or halved) so often: significant is not yet large."""

    half_flow: float = 10_000.0
    """Bytes per second by which the use of a disk or network has to change to have half its weight: a page that is
    written now and then where nothing was is infinitely more, and no load."""

    edge_penalty: float = 0.5
    """What an edge that is well counts against the blame of its ends, when a bad edge counts one."""

    beside_traces: float = 0.4
    """What is left of the weight of series about latency and errors where traces were recorded: these tell the same,
    and in whose own time it was."""

    idle_resource: float = 0.5
    """What is left of a resource's weight when the component has become no slower: used more is not yet harm."""

    lone_change: float = 0.1
    """What is left of a change's weight when its component is neither slow nor fails: most changes do no harm, though
    whatever starts anew uses more for a while."""

    out_of_reach: float = 0.5
    """What is left of a component's suspicion when no calls lead to it from whom the alert names; not nothing, as
    shared hosts and queues carry trouble too."""

    explained: float = 0.5
    """How much of a caller's symptoms its callee's explain: a callee needs two thirds of its caller's evidence."""

    def with_traces(self) -> "RankConstants":
        """The same where traces were recorded."""
        less = {f: self.beside_traces * self.weights[f] for f in (Feature.METRIC_LATENCY, Feature.METRIC_ERROR)}
        return replace(self, weights=self.weights | less)
