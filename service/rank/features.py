"""Evidence as features of components: in which way each row speaks against its component."""

from enum import StrEnum

from service.domain.component import ComponentKind
from service.domain.evidence import LOG_KINDS, TROUBLE, Evidence, EvidenceKind
from service.domain.graph import ServiceGraph
from service.evidence import metric_class as series


class Feature(StrEnum):
    """A way in which evidence speaks against a component."""

    GAP = "gap"
    SELF_TIME = "self-time"
    LATENCY = "latency"
    CALL_TIME = "call-time"
    CPU = "cpu"
    MEMORY = "memory"
    DISK = "disk"
    NETWORK = "network"
    TRAFFIC = "traffic"
    POOL = "pool"
    RESTART = "restart"
    DOWN = "down"
    METRIC_LATENCY = "metric-latency"
    METRIC_ERROR = "metric-error"
    CALLEES = "callees"
    OTHER_METRIC = "other-metric"
    ERRORS = "errors"
    UNANSWERED = "unanswered"
    LOG_TROUBLE = "log-trouble"
    LOG_OTHER = "log-other"
    LOST_CALL = "lost-call"
    LOST_LINE = "lost-line"
    NEW_CALL = "new-call"
    CALLS = "calls"
    SILENCE = "silence"
    CHANGE = "change"


_OF_CLASS = {
    series.CPU: Feature.CPU,
    series.MEMORY: Feature.MEMORY,
    series.DISK: Feature.DISK,
    series.NETWORK: Feature.NETWORK,
    series.TRAFFIC: Feature.TRAFFIC,
    series.POOL: Feature.POOL,
    series.RESTART: Feature.RESTART,
    series.LATENCY: Feature.METRIC_LATENCY,
    series.ERROR: Feature.METRIC_ERROR,
    series.OTHER: Feature.OTHER_METRIC,
}
_OF_EDGE = {Feature.METRIC_LATENCY: Feature.GAP}
"""What series of the calls between two tell else: how long the caller waits, not how long the callee takes."""
_OF_KIND = {
    EvidenceKind.GAP: Feature.GAP,
    EvidenceKind.SELF_TIME: Feature.SELF_TIME,
    EvidenceKind.LATENCY: Feature.LATENCY,
    EvidenceKind.ERROR_SHARE: Feature.ERRORS,
    EvidenceKind.NEW_CALL: Feature.NEW_CALL,
    EvidenceKind.CALLS: Feature.CALLS,
    EvidenceKind.SILENCE: Feature.SILENCE,
    EvidenceKind.TRAFFIC: Feature.TRAFFIC,
    EvidenceKind.CHANGE: Feature.CHANGE,
}
_EITHER_WAY = frozenset({Feature.LOST_CALL, Feature.SILENCE, Feature.CHANGE, Feature.OTHER_METRIC})


def feature_of(row: Evidence, graph: ServiceGraph) -> Feature | None:
    """The feature that a row speaks for; None if it speaks against nobody (faster, fewer errors, less load)."""
    if row.kind is EvidenceKind.METRIC:
        good = series.good_when_high(row.subject)
        feature = _OF_CLASS[series.metric_class(row.subject, row.unit)]
        if row.component.kind is ComponentKind.EDGE:
            feature = _OF_EDGE.get(feature, feature)
        elif series.about_callees(row.subject):
            feature = Feature.CALLEES
        feature = Feature.DOWN if _is_down(row, graph) else feature
        bad = row.rising != good
    elif row.kind in LOG_KINDS:
        trouble = row.severity in TROUBLE
        feature, bad = (Feature.LOG_TROUBLE if trouble else Feature.LOG_OTHER), row.rising
        feature, bad = (Feature.LOST_LINE, True) if not trouble and not row.rising else (feature, bad)
    elif row.kind is EvidenceKind.LATENCY and row.component.kind is ComponentKind.EDGE:
        feature, bad = Feature.CALL_TIME, row.rising
    elif row.kind is EvidenceKind.LOST_CALL:
        feature, bad = (Feature.UNANSWERED, True) if row.rising else (Feature.LOST_CALL, True)
    else:
        feature, bad = _OF_KIND[row.kind], row.rising
    return feature if bad or feature in _EITHER_WAY else None


def _is_down(row: Evidence, graph: ServiceGraph) -> bool:
    """Whether a series that said that something is there says, for most of the window, that nothing is. A pod that is
    gone may be one of several, or replaced.
    """
    gone = bool(row.before) and row.now <= 0 and series.presence(row.subject)
    return gone and (row.component.kind is not ComponentKind.POD or graph.alone(row.component.name))
