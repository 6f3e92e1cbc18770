from dataclasses import dataclass, field
from enum import StrEnum

from service.domain.component import Component


class Signal(StrEnum):
    """Where telemetry comes from."""

    TRACES = "traces"
    METRICS = "metrics"
    LOGS = "logs"
    CHANGES = "changes"


class EvidenceKind(StrEnum):
    """What a row of evidence speaks of. Rows of one kind can be compared; their units are the same."""

    LATENCY = "latency"  # an operation's duration, p95, µs
    SELF_TIME = "self-time"  # the part of it that no child covers, p95, µs
    GAP = "gap"  # an edge: the wait on a call that the callee's own span does not cover, median, µs
    ERROR_SHARE = "error-share"  # share of an operation's executions with status error
    LOST_CALL = "lost-call"  # share of a parent's executions that are followed by this operation: fallen
    NEW_CALL = "new-call"  # the same: risen
    CALLS = "calls"  # how often the parent calls it in one execution: retries, loops
    TRAFFIC = "traffic"  # executions per second at an entry
    SILENCE = "silence"  # a component that spoke before and is silent now
    METRIC = "metric"  # a fluctuating time series
    LOG_NEW = "log-new"  # a template never seen in the baseline
    LOG_GONE = "log-gone"
    LOG_MORE = "log-more"
    LOG_LESS = "log-less"
    CHANGE = "change"  # a deployment, configuration or scaling event near the onset


LOG_KINDS = frozenset({EvidenceKind.LOG_NEW, EvidenceKind.LOG_GONE, EvidenceKind.LOG_MORE, EvidenceKind.LOG_LESS})

TROUBLE = ("error", "warn")
"""Severities of log lines that tell of trouble, the worse first."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One comparison of now with the baseline, computed from telemetry; every number of an answer comes from such rows.

    ``score`` is how many standard errors it moved, 0 to 99, whatever the direction: ``shift`` ÷ ``error``, which are on
    the scale of its kind (the logarithm of a time or level, the arcsine of a share). ``surprise`` is how unlikely that
    is where nothing is wrong (nats), ``effect`` how much it moved beyond its error, in units of what such rows move by
    where nothing is wrong (``usual``): effects of all kinds are on one scale, and are not capped. ``before`` is None
    where there is no baseline. ``given`` is what the comparison is conditioned on (the operation that led here), "" if
    nothing. ``impact`` is how much of all that users ask for it concerns: for times the excess as a share of the time
    that requests take, for shares the executions concerned per request, for series the change in units of what is
    usual for that metric elsewhere; None where that is not known. ``began_s`` counts from the alert, negative before
    it. ``severity`` is that of a log template: error, warn, info, debug or "". ``example`` is redacted and truncated.
    ``query`` is how a server was asked for the rows behind it, in its own language; "" where none was.
    """

    id: str
    signal: Signal
    kind: EvidenceKind
    component: Component
    subject: str
    score: float
    now: float
    before: float | None = None
    unit: str = ""
    given: str = ""
    n_now: int = 0
    n_before: int = 0
    impact: float | None = None
    began_s: float | None = None
    severity: str = ""
    example: str = ""
    query: str = field(default="", compare=False)
    shift: float = 0.0
    error: float = 1.0
    usual: float = 1.0
    surprise: float = 0.0
    effect: float = 0.0

    @property
    def rising(self) -> bool:
        """Whether it is above its baseline; True without one."""
        return self.before is None or self.now >= self.before
