"""What becomes of a tenant's incidents by what is told and asked at one time. Pure: `service.jobs.redis.intake` reads
what may be concerned before, and writes the draft after, if nothing changed meanwhile.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from service.domain.alert import Alert
from service.jobs.grouping import Notification, Placement, place
from service.jobs.ids import new_id
from service.jobs.kin import NO_KIN, Kin
from service.jobs.priority import ASKED
from service.jobs.records import IncidentRecord, JobStatus, LocalizationRef, Question, Reason, Receipt
from service.jobs.redis.rows import alert_fields, incident_fields, pairs_of
from service.jobs.times import to_us


@dataclass(frozen=True, slots=True)
class Telling:
    """One thing that was told, or asked (``question``), of a tenant; alerts of either are in the notification."""

    notification: Notification
    now: datetime
    kin: Kin = NO_KIN
    question: Question | None = None


@dataclass(slots=True)
class _Changed:
    """An incident that is written: whether it is new, which alerts are stored of it, how urgent what waits of it is."""

    new: bool
    stored: tuple[Alert, ...] | None
    priority: int | None = None


class Draft:
    """Incidents as they become, one telling after the other."""

    def __init__(self, stored: Sequence[IncidentRecord]) -> None:
        """``stored`` are those that may be concerned, oldest first."""
        self._incidents = {incident.id: incident for incident in stored}  # stays in the order of age
        self._changed: dict[str, _Changed] = {}
        self._localizations: list[dict[str, object]] = []

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

    def document(self) -> dict[str, object]:
        """All that is to be written."""
        return {
            "incidents": [self._incident_document(id_, changed) for id_, changed in self._changed.items()],
            "localizations": self._localizations,
        }

    def _ask(self, telling: Telling, question: Question, concerned: Iterable[str]) -> Receipt:
        if question.window is not None:
            incident = question.incident(new_id("inc"), telling.notification.tenant, telling.now)
            self._keep(incident, new=True)
        else:
            incident = self._place(telling, concerned)[0].incident
        localization = self._queue(incident.id, Reason.ASKED, ASKED, telling, question.deadline_s)
        return Receipt(incident.id, localization, queued=True)

    def _place(self, telling: Telling, concerned: Iterable[str]) -> tuple[Placement, ...]:
        known = self._known(telling, frozenset(concerned))
        placements = place(telling.notification, known, new_id("inc"), telling.now, telling.kin)
        for placement in placements:
            self._keep(placement.incident, new=placement.new)
        return placements

    def _known(self, telling: Telling, concerned: frozenset[str]) -> list[IncidentRecord]:
        """The stored ones that may be concerned and those of this draft, newest first."""
        told = telling.notification
        fingerprints = {alert.fingerprint for alert in told.alerts}
        relatives = telling.kin.relatives(told.services)

        def may_be(incident: IncidentRecord) -> bool:
            return (
                (told.group_key != "" and incident.group_key == told.group_key)
                or not fingerprints.isdisjoint(incident.fingerprints)
                or not relatives.isdisjoint(incident.services)
            )

        return [
            incident
            for id_, incident in reversed(self._incidents.items())
            if id_ in concerned or (id_ in self._changed and may_be(incident))
        ]

    def _keep(self, incident: IncidentRecord, *, new: bool) -> None:
        before = self._incidents.get(incident.id)
        self._changed.setdefault(incident.id, _Changed(new, None if before is None else before.alerts))
        self._incidents[incident.id] = incident

    def _receipt(self, placement: Placement, telling: Telling) -> Receipt:
        incident = placement.incident
        if placement.reason is None:
            return Receipt(incident.id, incident.answered_by, queued=False)
        localization = self._queue(incident.id, placement.reason, placement.priority, telling)
        return Receipt(incident.id, localization, queued=True)

    def _queue(
        self, incident_id: str, reason: Reason, priority: int, telling: Telling, deadline_s: float | None = None
    ) -> str:
        id_ = new_id("loc")
        fields = {
            "reason": reason,
            "priority": priority,
            "created_at": str(to_us(telling.now)),
            "deadline_s": "" if deadline_s is None else repr(deadline_s),
            "traceparent": telling.notification.traceparent,
        }
        self._localizations.append({"id": id_, "incident_id": incident_id, "fields": fields})
        incident = self._incidents[incident_id]
        refs = (*incident.localizations, LocalizationRef(id_, JobStatus.QUEUED, reason))
        self._incidents[incident_id] = replace(incident, localizations=refs)
        return id_

    def _incident_document(self, id_: str, changed: _Changed) -> dict[str, object]:
        incident = self._incidents[id_]
        grown = incident.alerts != changed.stored
        return {
            "id": id_,
            "new": changed.new,
            "group": incident.group_key,
            "priority": changed.priority,
            "fields": {**incident_fields(incident), **(alert_fields(incident) if grown else {})},
            "services": sorted(incident.services) if grown else [],
            "pairs": pairs_of(incident.alerts) if grown else [],
        }
