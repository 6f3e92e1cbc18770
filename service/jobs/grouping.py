"""Which incident a notification belongs to. Pure: the store reads what may be concerned, asks here, writes the answer.

An incident owns pairs of (fingerprint, startsAt). A pair that is owned finds its owner, whatever group brings it, and
never moves. Pairs that nobody owns stay together and go to the first of these that is there:

1. the open incident of their group;
2. an open one that owns another pair of the notification;
3. one that owns the same fingerprint with another beginning (it flaps), open or resolved a short while ago;
4. an open one that alerts on the same call path (`service.jobs.kin`), opened a short while ago by alerts of that time;

else they open a new one, even if they are over already: an alert that flapped while nobody listened still deserves its
answer. A pair that ended stays ended, so that late repeats reopen nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain

from service.domain.alert import Alert
from service.domain.incident import CONTEXT, news_began
from service.jobs.kin import JOINING, NO_KIN, Kin
from service.jobs.priority import STANDARD, Severities
from service.jobs.records import IncidentRecord, IncidentStatus, JobStatus, LocalizationRef, Reason

QUIET = timedelta(hours=6)
"""An open incident that nobody spoke of for this long takes no new pairs. Alertmanager repeats what fires every four
hours by default, and may be told not to send ``resolved``: without a bound, such an incident would swallow all later
ones of its group."""


@dataclass(frozen=True, slots=True)
class Notification:
    """One group as it was sent. ``all_ended``: its sender says that nothing of the group fires, listed here or not.
    ``traceparent`` (W3C) is the trace that it came with, which the localizations that it causes go on with;
    ``severities`` is how its sender says what is severe.
    """

    tenant: str
    group_key: str
    alerts: tuple[Alert, ...]
    all_ended: bool = False
    traceparent: str = ""
    severities: Severities = STANDARD

    @property
    def services(self) -> frozenset[str]:
        """Services that its alerts name."""
        return frozenset(alert.service for alert in self.alerts if alert.service)

    def around(self, within: timedelta) -> tuple[datetime, datetime]:
        """The time about which its alerts began."""
        began = [alert.starts_at for alert in self.alerts]
        return min(began) - within, max(began) + within


@dataclass(frozen=True, slots=True)
class Placement:
    """What becomes of one incident: how it reads now, how it did before (None: it is new), why to localize it (None: no
    need), how urgent what waits of it is by now, and ``since`` when what is to be localized began.
    """

    incident: IncidentRecord
    before: IncidentRecord | None
    reason: Reason | None
    priority: int
    since: datetime | None = None

    @property
    def new(self) -> bool:
        """Whether nobody knew of it."""
        return self.before is None


def place(
    notification: Notification, known: Sequence[IncidentRecord], new_id: str, now: datetime, kin: Kin = NO_KIN
) -> tuple[Placement, ...]:
    """Divide a notification among incidents; the first placement holds its first alert that fires, or its first.

    ``known`` are incidents of the tenant, newest first: those that own a pair of it or that own one of its fingerprints
    and are open or were resolved within ``kin.within``; the open ones of its group; and open ones that opened within
    ``kin.within`` and alert in a service of `Kin.relatives`.
    """
    home = _home(notification, known, now, kin)
    owners = {pair: incident for incident in reversed(known) for pair in incident.pairs}
    shares: dict[str, list[Alert]] = {}
    for alert in sorted(notification.alerts, key=lambda a: not a.firing):
        owner = owners.get((alert.fingerprint, alert.starts_at), home)
        shares.setdefault(owner.id if owner else new_id, []).append(alert)
    by_id = {incident.id: incident for incident in known}
    return tuple(
        _grow(by_id[id_], alerts, notification, now) if id_ in by_id else _open(id_, alerts, notification, now)
        for id_, alerts in shares.items()
    )


def _home(
    notification: Notification, known: Sequence[IncidentRecord], now: datetime, kin: Kin
) -> IncidentRecord | None:
    """The incident that takes pairs which nobody owns."""
    pairs = {(alert.fingerprint, alert.starts_at) for alert in notification.alerts}
    taking = [i for i in known if i.status is IncidentStatus.OPEN and now - i.heard_at <= QUIET]
    of_group = (i for i in taking if notification.group_key and i.group_key == notification.group_key)
    sharing = (i for i in taking if i.pairs & pairs)
    flapping = (i for i in known if _flaps(i, notification, now, kin))
    related = (i for i in reversed(taking) if _related(i, notification, now, kin))  # the first is nearest to the cause
    return next(chain(of_group, sharing, flapping, related), None)


def _flaps(incident: IncidentRecord, notification: Notification, now: datetime, kin: Kin) -> bool:
    """Whether the incident owns an earlier beginning of one of these alerts, and ended a short while ago at most."""
    ended = incident.resolved_at
    recent = now - incident.heard_at <= QUIET if ended is None else now - ended < kin.within
    return recent and not incident.fingerprints.isdisjoint(alert.fingerprint for alert in notification.alerts)


def _related(incident: IncidentRecord, notification: Notification, now: datetime, kin: Kin) -> bool:
    """Whether the incident opened a short while ago, by alerts of the same time in services of the same call paths."""
    if now - incident.opened_at >= kin.within:
        return False
    first, last = notification.around(kin.within)
    members = frozenset(a.service for a in incident.alerts if a.service and first <= a.starts_at <= last)
    return kin.joins(notification.services, members)


def _open(id_: str, alerts: Sequence[Alert], notification: Notification, now: datetime) -> Placement:
    incident = IncidentRecord(
        id=id_,
        tenant=notification.tenant,
        group_key=notification.group_key,
        alerts=_merged((), alerts),
        opened_at=now,
        heard_at=now,
    )
    return _placement(_settled(incident, now), None, notification, Reason.OPENED, news_began(alerts, now))


def _grow(incident: IncidentRecord, alerts: Sequence[Alert], notification: Notification, now: datetime) -> Placement:
    merged = _merged(incident.alerts, alerts)
    if notification.all_ended and notification.group_key == incident.group_key:
        merged = tuple(a if a.ends_at else replace(a, ends_at=max(now, a.starts_at)) for a in merged)
    grown = _settled(replace(incident, alerts=merged, heard_at=max(now, incident.heard_at)), now)
    reason, since = _news(incident, alerts, now)
    return _placement(grown, incident, notification, reason, since)


def _news(
    incident: IncidentRecord, alerts: Iterable[Alert], now: datetime
) -> tuple[Reason, datetime] | tuple[None, None]:
    """Why alerts that came to an incident make another localization necessary, and since when what it is about fires.

    One that has not begun will see what began about then. What was dropped because all was over is made up for when it
    fires again.
    """
    ended = {(alert.fingerprint, alert.starts_at) for alert in incident.alerts if alert.ends_at}
    firing = [alert for alert in alerts if alert.firing and (alert.fingerprint, alert.starts_at) not in ended]
    own = [ref for ref in incident.localizations if ref.reason is not Reason.ASKED]
    dropped = bool(own) and own[-1].status is JobStatus.DROPPED
    fresh = firing if dropped else [a for a in firing if a.service and a.service not in incident.services]
    since = news_began(fresh, now)
    if since is None or any(ref.status is JobStatus.QUEUED and _covers(ref, since) for ref in own):
        return None, None
    return (Reason.OPENED if dropped else Reason.GROWN), since


def _covers(ref: LocalizationRef, since: datetime) -> bool:
    """Whether a localization that has not begun will look at what began then."""
    return ref.since is None or -JOINING <= since - ref.since <= CONTEXT


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


def _placement(
    incident: IncidentRecord,
    before: IncidentRecord | None,
    notification: Notification,
    reason: Reason | None,
    since: datetime | None,
) -> Placement:
    return Placement(incident, before, reason, notification.severities.priority(incident.alerts), since)
