"""Which incident a notification belongs to. Pure: the store reads what may be concerned, asks here, writes the answer.

An incident owns pairs of (fingerprint, startsAt). A pair that is owned finds its owner, whatever group brings it, and
never moves. A pair that nobody owns goes to the incident in which its alert flaps: which was first told of the same
fingerprint by a beginning less than `Notification.again` away. All others stay together and go to the first of these
that is there:

1. the open incident of their group;
2. an open one that owns another pair of the notification;
3. an open one that alerts on the same call path (`service.jobs.kin`), opened a short while ago by alerts of that time;

but to none in which one of them is a second failure (`_fails_again`), and where 1 or 2 is such a one, only 3 is left.
Else they open a new one, even if they are over already: an alert that flapped while nobody listened still deserves its
answer. What a notification ends is in `service.jobs.endings`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain

from service.domain.alert import Alert
from service.domain.incident import CONTEXT, news_began
from service.jobs.endings import Endings, only_ends
from service.jobs.kin import AGAIN, JOINING, NO_KIN, Kin
from service.jobs.priority import STANDARD, Severities
from service.jobs.records import IncidentRecord, IncidentStatus, JobStatus, LocalizationRef, Reason

QUIET = timedelta(hours=6)
"""An open incident that nobody spoke of for this long takes no new pairs. Alertmanager repeats what fires every four
hours by default, and may be told not to send ``resolved``: without a bound, such an incident would swallow all later
ones of its group."""


ANYWHERE = ""
"""Stands for all services: an alert that names none is of the whole incident."""


@dataclass(frozen=True, slots=True)
class Notification:
    """One group as it was sent. ``all_ended``: its sender says that nothing of the group fires, listed here or not.
    ``traceparent`` (W3C) is the trace that it came with, which the localizations that it causes go on with;
    ``severities`` is how its sender says what is severe; an alert that begins ``again`` after it was first told is a
    failure of its own. ``truncated`` is how many alerts its sender left out of it; None where that was not said.
    """

    tenant: str
    group_key: str
    alerts: tuple[Alert, ...]
    all_ended: bool = False
    traceparent: str = ""
    severities: Severities = STANDARD
    again: timedelta = AGAIN
    truncated: int | None = None

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
    """Divide a notification among incidents; the first placement holds its first alert that fires, or its first. After
    those that hold some come others in which it ends something.

    ``known`` are incidents of the tenant, newest first: those that own a pair of it; of those that own one of its
    fingerprints the open ones, and the one in which it began last; the newest open one of its group, or all where
    `Notification.all_ended`; and, where a pair has no owner, open ones that opened within ``kin.within`` and alert in a
    service of `Kin.relatives`.
    """
    alerts = sorted(notification.alerts, key=lambda alert: not alert.firing)
    owned = _owned(alerts, known)
    endings = Endings(alerts, (pair for pairs in owned.values() for _, pair in pairs))
    places = [_place(alert, owned[alert.fingerprint], notification.again) for alert in alerts]
    homeless = [
        (alert, bool(owned[alert.fingerprint])) for alert, place_ in zip(alerts, places, strict=True) if not place_
    ]
    home = _home(notification, known, homeless, now, kin) if homeless else None
    shares: dict[str, list[Alert]] = {}
    for alert, place_ in zip(alerts, places, strict=True):
        owner = home if place_ is None else place_.owner
        share = shares.setdefault(owner.id if owner else new_id, [])
        if place_ is None or place_.owns:
            share.append(endings.ended(alert))
    for incident in known:
        if _ends_some(incident, notification, endings):
            shares.setdefault(incident.id, [])
    by_id = {incident.id: incident for incident in known}
    return tuple(
        _grow(by_id[id_], share, notification, now, endings) if id_ in by_id else _open(id_, share, notification, now)
        for id_, share in shares.items()
    )


_Owned = Sequence[tuple[IncidentRecord, Alert]]
"""Incidents, newest first, and the pairs of one fingerprint that they own, as first told."""


_Homeless = tuple[Alert, bool]
"""An alert that has no place, and whether any incident owns its fingerprint."""


@dataclass(frozen=True, slots=True)
class _Place:
    """The incident that an alert belongs to; unless it ``owns`` the alert, all that happens is that another ends."""

    owner: IncidentRecord
    owns: bool = True


def _owned(alerts: Iterable[Alert], known: Sequence[IncidentRecord]) -> dict[str, list[tuple[IncidentRecord, Alert]]]:
    """What is owned of the fingerprints of some alerts."""
    owned: dict[str, list[tuple[IncidentRecord, Alert]]] = {alert.fingerprint: [] for alert in alerts}
    for incident in known:
        for pair in incident.alerts:
            if pair.fingerprint in owned:
                owned[pair.fingerprint].append((incident, pair))
    return owned


def _place(alert: Alert, owned: _Owned, again: timedelta) -> _Place | None:
    """Where the pair is owned, or what it ends, or where it flaps."""
    last = max((pair.starts_at for _, pair in owned), default=None)
    looked = {i.id for i, pair in owned if i.status is IncidentStatus.OPEN or pair.starts_at in (alert.starts_at, last)}
    owned = [(incident, pair) for incident, pair in owned if incident.id in looked]  # whatever else a store read
    owning = (_Place(incident) for incident, pair in owned if pair.starts_at == alert.starts_at)
    ended = (_Place(incident, owns=False) for incident, pair in owned if only_ends(alert, pair))
    first = {incident.id: (incident, pair) for incident, pair in reversed(owned)}
    flapping = (_Place(i) for i, pair in reversed(first.values()) if abs(alert.starts_at - pair.starts_at) < again)
    return next(chain(owning, ended, flapping), None)


def _home(
    notification: Notification, known: Sequence[IncidentRecord], homeless: Iterable[_Homeless], now: datetime, kin: Kin
) -> IncidentRecord | None:
    """The incident that takes pairs which nobody owns."""
    pairs = {(alert.fingerprint, alert.starts_at) for alert in notification.alerts}
    taking = [i for i in known if i.status is IncidentStatus.OPEN and now - i.heard_at <= QUIET]
    of_group = (i for i in taking if notification.group_key and i.group_key == notification.group_key)
    sharing = (i for i in taking if i.pairs & pairs)
    related = (i for i in reversed(taking) if _related(i, notification, now, kin))  # the first is nearest to the cause
    home = next(chain(of_group, sharing), None)
    candidates = related if home is None else chain((home,), related)
    return next((i for i in candidates if not _fails_again(homeless, i, notification.again)), None)


def _fails_again(homeless: Iterable[_Homeless], incident: IncidentRecord, again: timedelta) -> bool:
    """Whether one of the alerts is a second failure, and no part of the incident: if it begins at least ``again`` after
    what the incident was told first of the same alert. Where the incident does not know it, so is one that another
    incident knows, if nothing of this one began lately; and one of a service that it knows, if nothing there fires any
    more, or for so long that it is context by now.
    """
    history = _History.of(incident)
    return any(history.begins_again(alert, known, again) for alert, known in homeless)


@dataclass(frozen=True, slots=True)
class _History:
    """When the alerts of an incident began: each for the first time, in each service last, and in all; and when all of
    a service had ended.
    """

    first: Mapping[str, datetime]
    last: Mapping[str, datetime]
    over: Mapping[str, datetime | None]

    @classmethod
    def of(cls, incident: IncidentRecord) -> "_History":
        first: dict[str, datetime] = {}
        last: dict[str, datetime] = {}
        over: dict[str, datetime | None] = {}
        for pair in incident.alerts:
            first.setdefault(pair.fingerprint, pair.starts_at)
            for name in {pair.service, ANYWHERE}:
                last[name] = max(last.get(name, pair.starts_at), pair.starts_at)
                end = over.get(name, pair.ends_at)
                over[name] = max(end, pair.ends_at) if end and pair.ends_at else None
        return cls(first, last, over)

    def begins_again(self, alert: Alert, known: bool, again: timedelta) -> bool:
        """Whether the alert is a second failure; ``known``: some incident owns its fingerprint."""
        began = alert.starts_at
        if alert.fingerprint in self.first:
            return began - self.first[alert.fingerprint] >= again
        if known and began - self.last[ANYWHERE] >= JOINING:
            return True
        if alert.service not in self.last:
            return False
        over = self.over[alert.service]
        return began - self.last[alert.service] >= (CONTEXT if over is None or over > began else again)


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
        truncated=notification.truncated or 0,
    )
    return _placement(_settled(incident, now), None, notification, Reason.OPENED, news_began(alerts, now))


def _ends_some(incident: IncidentRecord, notification: Notification, endings: Endings) -> bool:
    """Whether something of the incident fires no more."""
    over = notification.all_ended and notification.group_key == incident.group_key != ""
    return any(alert.firing and (over or endings.of(alert)) for alert in incident.alerts)


def _grow(
    incident: IncidentRecord, alerts: Sequence[Alert], notification: Notification, now: datetime, endings: Endings
) -> Placement:
    merged = _merged(map(endings.ended, incident.alerts), alerts)
    if notification.all_ended and notification.group_key == incident.group_key:
        merged = tuple(a if a.ends_at else replace(a, ends_at=max(now, a.starts_at)) for a in merged)
    cut = incident.truncated if notification.truncated is None else notification.truncated
    grown = _settled(replace(incident, alerts=merged, heard_at=max(now, incident.heard_at), truncated=cut), now)
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
