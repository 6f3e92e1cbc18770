"""Which incident a notification belongs to. Pure: the store reads what may be concerned, asks here, writes the answer.

An incident owns pairs of (fingerprint, startsAt). A pair that is owned finds its owner, whatever group brings it. A
pair that nobody owns joins an open incident of its group, or one that owns another pair of the same notification;
else it opens a new one, even if it is resolved already: an alert that flapped while nobody listened still deserves
its answer. A pair that ended stays ended, so that late repeats reopen nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from service.domain.alert import Alert
from service.jobs.records import IncidentRecord, IncidentStatus, JobStatus, Priority, Reason

QUIET = timedelta(hours=6)
"""An open incident that nobody spoke of for this long takes no new pairs. Alertmanager repeats what fires every four
hours by default, and may be told not to send ``resolved``: without a bound, such an incident would swallow all later
ones of its group."""


@dataclass(frozen=True, slots=True)
class Notification:
    """One group as it was sent. ``all_ended``: its sender says that nothing of the group fires, listed here or not.
    ``traceparent`` (W3C) is the trace that it came with, which the localizations that it causes go on with.
    """

    tenant: str
    group_key: str
    alerts: tuple[Alert, ...]
    all_ended: bool = False
    traceparent: str = ""


@dataclass(frozen=True, slots=True)
class Kin:
    """Which services lie on one call path, and for how long after an incident opened others may join it."""

    within: timedelta = timedelta(0)


NO_KIN = Kin()


@dataclass(frozen=True, slots=True)
class Placement:
    """What becomes of one incident: how it reads now, whether it is new, and why to localize it (None: no need)."""

    incident: IncidentRecord
    new: bool
    reason: Reason | None
    priority: Priority


def place(
    notification: Notification, known: Sequence[IncidentRecord], new_id: str, now: datetime, kin: Kin = NO_KIN
) -> tuple[Placement, ...]:
    """Divide a notification among incidents; the first placement holds its first alert that fires, or its first.

    ``known`` are the tenant's incidents that own a pair of it and the open ones of its group, newest first.
    """
    home = _home(notification, known, now)
    shares: dict[str, list[Alert]] = {}
    for alert in sorted(notification.alerts, key=lambda a: not a.firing):
        owner = _owner(alert, known) or home
        shares.setdefault(owner.id if owner else new_id, []).append(alert)
    by_id = {incident.id: incident for incident in known}
    return tuple(
        _grow(by_id[id_], alerts, notification, now) if id_ in by_id else _open(id_, alerts, notification, now)
        for id_, alerts in shares.items()
    )


def _owner(alert: Alert, known: Iterable[IncidentRecord]) -> IncidentRecord | None:
    pair = (alert.fingerprint, alert.starts_at)
    return next((incident for incident in known if pair in incident.pairs), None)


def _home(notification: Notification, known: Sequence[IncidentRecord], now: datetime) -> IncidentRecord | None:
    """The open incident that takes pairs which nobody owns: the group's own before one that shares an alert."""
    pairs = {(alert.fingerprint, alert.starts_at) for alert in notification.alerts}
    taking = [i for i in known if i.status is IncidentStatus.OPEN and now - i.heard_at <= QUIET]
    of_group = [i for i in taking if notification.group_key and i.group_key == notification.group_key]
    return next(iter(of_group + [i for i in taking if i.pairs & pairs]), None)


def _open(id_: str, alerts: Sequence[Alert], notification: Notification, now: datetime) -> Placement:
    incident = IncidentRecord(
        id=id_,
        tenant=notification.tenant,
        group_key=notification.group_key,
        alerts=_merged((), alerts),
        opened_at=now,
        heard_at=now,
    )
    return _placement(_settled(incident, now), new=True, reason=Reason.OPENED)


def _grow(incident: IncidentRecord, alerts: Sequence[Alert], notification: Notification, now: datetime) -> Placement:
    merged = _merged(incident.alerts, alerts)
    if notification.all_ended and notification.group_key == incident.group_key:
        merged = tuple(a if a.ends_at else replace(a, ends_at=max(now, a.starts_at)) for a in merged)
    grown = _settled(replace(incident, alerts=merged, heard_at=max(now, incident.heard_at)), now)
    firing = {alert.service for alert in alerts if alert.firing and alert.service}
    waiting = any(ref.status is JobStatus.QUEUED for ref in incident.localizations)
    news = incident.status is IncidentStatus.OPEN and not firing <= incident.services
    return _placement(grown, new=False, reason=Reason.GROWN if news and not waiting else None)


def _merged(known: Iterable[Alert], told: Iterable[Alert]) -> tuple[Alert, ...]:
    """Both, each pair once, as last told; an end that was told once stays."""
    alerts = {(alert.fingerprint, alert.starts_at): alert for alert in known}
    for alert in told:
        pair = (alert.fingerprint, alert.starts_at)
        before = alerts.get(pair)
        alerts[pair] = replace(alert, ends_at=before.ends_at) if before and before.ends_at else alert
    return tuple(alerts.values())


def _settled(incident: IncidentRecord, now: datetime) -> IncidentRecord:
    """The incident with the status that its alerts give it."""
    if any(alert.firing for alert in incident.alerts):
        return replace(incident, status=IncidentStatus.OPEN, resolved_at=None)
    return replace(incident, status=IncidentStatus.RESOLVED, resolved_at=incident.resolved_at or now)


def _placement(incident: IncidentRecord, *, new: bool, reason: Reason | None) -> Placement:
    open_ = incident.status is IncidentStatus.OPEN
    return Placement(incident, new=new, reason=reason, priority=Priority.FIRING if open_ else Priority.RESOLVED)
