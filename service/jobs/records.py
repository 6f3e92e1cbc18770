"""What the incident store keeps, as frozen values. Documents in it (results, transcripts, steps) are JSON texts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from service.domain.alert import Alert
from service.domain.window import Window
from service.jobs.kin import AGAIN


class IncidentStatus(StrEnum):
    """Whether anything of the incident still fires."""

    OPEN = "open"
    RESOLVED = "resolved"


class JobStatus(StrEnum):
    """How far a localization is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DROPPED = "dropped"  # unanswered on purpose: its answer would help nobody any more

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self not in (JobStatus.QUEUED, JobStatus.RUNNING)


class Reason(StrEnum):
    """Why a localization was queued."""

    OPENED = "opened"  # its incident is new
    GROWN = "grown"  # a component alerts that did not before
    ASKED = "asked"  # somebody waits for it


@dataclass(frozen=True, slots=True)
class LocalizationRef:
    """One localization of an incident, as far as its incident knows it. ``since`` is when what it is about began; None
    where it is about a window, or was queued before that was kept.
    """

    id: str
    status: JobStatus
    reason: Reason
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class IncidentRecord:
    """An incident as stored. ``window`` is set where it was asked for directly, without an alert of its own.

    ``localizations`` are in the order in which they were queued. ``heard_at`` is when a notification last spoke of it;
    ``truncated`` is how many alerts the sender left out of that.
    """

    id: str
    tenant: str
    group_key: str
    alerts: tuple[Alert, ...]
    opened_at: datetime
    heard_at: datetime
    status: IncidentStatus = IncidentStatus.OPEN
    resolved_at: datetime | None = None
    window: Window | None = None
    localizations: tuple[LocalizationRef, ...] = ()
    truncated: int = 0

    @property
    def services(self) -> frozenset[str]:
        """Services that its alerts name."""
        return frozenset(alert.service for alert in self.alerts if alert.service)

    @property
    def pairs(self) -> frozenset[tuple[str, datetime]]:
        """The (fingerprint, startsAt) that it owns within its tenant."""
        return frozenset((alert.fingerprint, alert.starts_at) for alert in self.alerts)

    @property
    def fingerprints(self) -> frozenset[str]:
        """Those of its alerts, whenever they began."""
        return frozenset(alert.fingerprint for alert in self.alerts)

    def since(self, localization_id: str) -> datetime | None:
        """When what that localization is about began, as far as it is known."""
        return next((ref.since for ref in self.localizations if ref.id == localization_id), None)

    @property
    def answered_by(self) -> str:
        """The localization that answers it by now: the last that was not asked for apart, if there is one."""
        own = [ref.id for ref in self.localizations if ref.reason is not Reason.ASKED]
        return own[-1] if own else self.localizations[-1].id


@dataclass(frozen=True, slots=True)
class LocalizationRecord:
    """A localization as stored: a job until it ended, then an answer. ``result`` is its document without state:
    while it runs, one that is there already may be replaced by a better one. ``traceparent`` (W3C) is the trace that it
    goes on with.
    """

    id: str
    incident_id: str
    tenant: str
    status: JobStatus
    reason: Reason
    created_at: datetime
    attempts: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    deadline_s: float | None = None
    error: str = ""
    result: str = ""
    steps: int = 0
    traceparent: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """Which incident a notification fell to, and the localization that answers it. ``queued``: it is a new one."""

    incident_id: str
    localization_id: str
    queued: bool


@dataclass(frozen=True, slots=True)
class Question:
    """A localization asked for directly: alerts (of an incident, known or not) or a window of one's own."""

    alerts: tuple[Alert, ...]
    group_key: str = ""
    window: Window | None = None
    deadline_s: float | None = None
    traceparent: str = ""
    again: timedelta = AGAIN

    def incident(self, id_: str, tenant: str, now: datetime) -> IncidentRecord:
        """The incident of its own that a question about a window is about: nothing of it fires, as far as we know."""
        return IncidentRecord(
            id=id_,
            tenant=tenant,
            group_key="",
            alerts=self.alerts,
            opened_at=now,
            heard_at=now,
            status=IncidentStatus.RESOLVED,
            resolved_at=now,
            window=self.window,
        )


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on a localization for a while. Of all leases ever given on it, the highest token holds."""

    localization_id: str
    token: int


@dataclass(frozen=True, slots=True)
class Claim:
    """A localization taken to be worked on, with the incident as it is known by now."""

    lease: Lease
    localization: LocalizationRecord
    incident: IncidentRecord


@dataclass(frozen=True, slots=True)
class Limits:
    """How many localizations run at the same time, of all tenants and of one; 0 is no limit."""

    at_once: int = 0
    per_tenant: int = 0


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Ending:
    """What a finished localization leaves: JSON documents; ``graph`` is what the grader needs to collapse names."""

    result: str
    transcript: str = ""
    graph: str = ""


class DeliveryStatus(StrEnum):
    """How far a delivery is."""

    QUEUED = "queued"
    DELIVERED = "delivered"
    DEAD = "dead"  # given up: a dead letter


@dataclass(frozen=True, slots=True)
class Delivery:
    """An answer on its way to one target, taken to be delivered. Of all tokens ever given on it, the highest holds.
    ``queued_at`` is when it was there to be told, or when somebody asked to tell it again.
    """

    id: str
    localization_id: str
    incident_id: str
    tenant: str
    target: str
    attempts: int
    token: int
    queued_at: datetime


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """What became of an answer at one target; ``error`` is that of the last attempt, ``at`` is when it became so."""

    target: str
    status: DeliveryStatus
    attempts: int
    error: str
    at: datetime


@dataclass(frozen=True, slots=True)
class StoredStep:
    """One step, numbered as in its transcript: the number is the event id."""

    number: int
    body: str


@dataclass(frozen=True, slots=True)
class Change:
    """Something that was changed on purpose; kind is deploy, config, scale or restart."""

    time: datetime
    service: str
    kind: str
    summary: str


@dataclass(frozen=True, slots=True)
class StoredVerdict:
    """What an operator found, and how the answer compares with it: JSON documents."""

    verdict: str
    grade: str
    given_at: datetime


@dataclass(frozen=True, slots=True)
class IncidentQuery:
    """Which incidents are asked for, newest first; ``cursor`` is where the last page ended, "" for the first."""

    tenant: str = ""
    status: IncidentStatus | None = None
    service: str = ""
    cursor: str = ""
    limit: int = 50


@dataclass(frozen=True, slots=True)
class IncidentPage:
    """Incidents, newest first; ``next_cursor`` is "" on the last page."""

    incidents: tuple[IncidentRecord, ...]
    next_cursor: str = ""


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many localizations there are of each status, and for how long the oldest queued one has waited, seconds."""

    counts: Mapping[JobStatus, int] = field(default_factory=dict[JobStatus, int])
    oldest_s: float = 0.0
