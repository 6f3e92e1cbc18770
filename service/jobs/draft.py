"""What becomes of a tenant's incidents by what is told and asked at one time. Pure: a store reads what may be concerned
before, and writes the draft after, if nothing changed meanwhile.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from service.domain.alert import Alert
from service.domain.incident import news_began
from service.jobs.grouping import Notification, Placement, place
from service.jobs.ids import new_id
from service.jobs.kin import NO_KIN, Kin
from service.jobs.priority import ASKED
from service.jobs.records import IncidentRecord, JobStatus, LocalizationRef, Question, Reason, Receipt


@dataclass(frozen=True, slots=True)
class Telling:
    """One thing that was told, or asked (``question``), of a tenant; alerts of either are in the notification."""

    notification: Notification
    now: datetime
    kin: Kin = NO_KIN
    question: Question | None = None

    @classmethod
    def asking(cls, tenant: str, question: Question, now: datetime) -> "Telling":
        """What somebody asks; a window of one's own is no alert's."""
        alerts = () if question.window is not None else question.alerts
        trace, again = question.traceparent, question.again
        told = Notification(tenant, question.group_key, alerts, traceparent=trace, again=again)
        return cls(told, now, question=question)


@dataclass(frozen=True, slots=True)
class Written:
    """An incident as it is to be written, the alerts that are stored of it (None: it is new), and how urgent what waits
    of it is by now (None: as urgent as before).
    """

    incident: IncidentRecord
    stored: tuple[Alert, ...] | None
    priority: int | None


@dataclass(frozen=True, slots=True)
class Queued:
    """A localization that is to be queued."""

    id: str
    incident_id: str
    reason: Reason
    priority: int
    created_at: datetime
    deadline_s: float | None
    traceparent: str
    since: datetime | None


_Mark = tuple[str, str]
"""By what an incident of the draft is found: "group", "fingerprint" or "service", and which."""


@dataclass(slots=True)
class _Changed:
    stored: tuple[Alert, ...] | None
    priority: int | None = None


class Draft:
    """Incidents as they become, one telling after the other."""

    def __init__(self, stored: Sequence[IncidentRecord]) -> None:
        """``stored`` are those that may be concerned, oldest first."""
        self._incidents = {incident.id: incident for incident in stored}
        self._age = {id_: age for age, id_ in enumerate(self._incidents)}
        self._changed: dict[str, _Changed] = {}
        self._marked: dict[_Mark, set[str]] = {}
        self.queued: list[Queued] = []

    def take(self, telling: Telling, concerned: Iterable[str]) -> tuple[Receipt, ...]:
        """Place it; ``concerned`` are the stored incidents that may be."""
        if telling.question is not None:
            return (self._ask(telling, telling.question, concerned),)
        placements = self._place(telling, concerned)
        receipts: list[Receipt] = []
        for placement in placements:
            self._changed[placement.incident.id].priority = placement.priority
            receipts.append(self._receipt(placement, telling))
        return tuple(receipts)

    def written(self) -> list[Written]:
        """The incidents that are new or changed, in the order in which that happened."""
        return [Written(self._incidents[id_], c.stored, c.priority) for id_, c in self._changed.items()]

    def _ask(self, telling: Telling, question: Question, concerned: Iterable[str]) -> Receipt:
        if question.window is not None:
            incident = question.incident(new_id("inc"), telling.notification.tenant, telling.now)
            self._keep(incident)
        else:
            first, *others = self._place(telling, concerned)
            for placement in others:
                if placement.new:  # that the question is not about, and which nobody will tell again
                    self._receipt(placement, telling)
            incident = first.incident
        since = news_began(telling.notification.alerts, telling.now)
        localization = self._queue(incident.id, Reason.ASKED, ASKED, since, telling, question.deadline_s)
        return Receipt(incident.id, localization, queued=True)

    def _place(self, telling: Telling, concerned: Iterable[str]) -> tuple[Placement, ...]:
        known = self._known(telling, concerned)
        placements = place(telling.notification, known, new_id("inc"), telling.now, telling.kin)
        for placement in placements:
            self._keep(placement.incident)
        return placements

    def _known(self, telling: Telling, concerned: Iterable[str]) -> list[IncidentRecord]:
        """The stored ones that may be concerned and those of this draft, newest first."""
        told = telling.notification
        marks = _marks(told.group_key, told.alerts, telling.kin.relatives(told.services))
        ids = set(concerned).union(*(self._marked.get(mark, ()) for mark in marks))
        return [self._incidents[id_] for id_ in sorted(ids, key=self._age.__getitem__, reverse=True)]

    def _keep(self, incident: IncidentRecord) -> None:
        id_, before = incident.id, self._incidents.get(incident.id)
        self._changed.setdefault(id_, _Changed(None if before is None else before.alerts))
        self._age.setdefault(id_, len(self._age))
        self._incidents[id_] = incident
        for mark in _marks(incident.group_key, incident.alerts, incident.services):
            self._marked.setdefault(mark, set()).add(id_)

    def _receipt(self, placement: Placement, telling: Telling) -> Receipt:
        incident = placement.incident
        if placement.reason is None:
            return Receipt(incident.id, incident.answered_by, queued=False)
        localization = self._queue(incident.id, placement.reason, placement.priority, placement.since, telling)
        return Receipt(incident.id, localization, queued=True)

    def _queue(
        self,
        incident_id: str,
        reason: Reason,
        priority: int,
        since: datetime | None,
        telling: Telling,
        deadline_s: float | None = None,
    ) -> str:
        id_, note = new_id("loc"), telling.notification
        self.queued.append(Queued(id_, incident_id, reason, priority, telling.now, deadline_s, note.traceparent, since))
        incident = self._incidents[incident_id]
        refs = (*incident.localizations, LocalizationRef(id_, JobStatus.QUEUED, reason, since))
        self._incidents[incident_id] = replace(incident, localizations=refs)
        return id_


def _marks(group_key: str, alerts: Iterable[Alert], services: Iterable[str]) -> Iterator[_Mark]:
    if group_key:
        yield "group", group_key
    yield from (("fingerprint", alert.fingerprint) for alert in alerts)
    yield from (("service", service) for service in services)
