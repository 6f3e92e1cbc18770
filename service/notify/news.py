from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from service.jobs.records import IncidentRecord, LocalizationRecord
from service.notify.answer import Answer


@dataclass(frozen=True, slots=True)
class News:
    """An answer to be told, and its incident as it is known by now.

    ``id`` is that of its delivery to one target: the same in every ``attempt`` (the first is 1). ``link`` leads to the
    whole answer, "" where nobody said under which address we are found.
    """

    id: str
    attempt: int
    answer: Answer
    localization: LocalizationRecord
    incident: IncidentRecord
    now: datetime
    link: str = ""

    @property
    def answered_at(self) -> datetime:
        """When the answer was there."""
        return self.localization.finished_at or self.localization.created_at

    @property
    def began_at(self) -> datetime:
        """When the trouble began: the onset, else the first alert that the answer is about; never in the future,
        whatever clocks say.
        """
        since = self.incident.since(self.localization.id)
        first = min((alert.starts_at for alert in self.incident.alerts), default=self.incident.opened_at)
        return min(self.answer.onset or since or first, self.now)


class Receiver(Protocol):
    """Somebody who is told answers."""

    async def send(self, news: News) -> datetime | None:
        """Tell it. Returns when it has to be told again, because what it was told lasts only for a while; None when
        all is said.

        Raises `service.errors.BackendError`; what was sent may have arrived nevertheless.
        """
        ...

    async def found(self) -> str:
        """That it can be reached, in one line; it is told nothing. Raises `service.errors.BackendError`."""
        ...


class Describing(Protocol):
    """Writes an incident as the document that everybody gets of it."""

    def __call__(self, incident: IncidentRecord, /) -> Mapping[str, object]:
        """The document."""
        ...
