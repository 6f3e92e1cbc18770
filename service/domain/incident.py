from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import zip_longest

from service.domain.alert import Alert
from service.domain.evidence import Signal
from service.domain.window import Window

CONTEXT = timedelta(hours=1)
"""An alert that began so long before another is context beside it, not the same failure: rules wait a quarter of an
hour at most, and Alertmanager repeats whatever still fires in a group, for days."""


def news_began(alerts: Iterable[Alert], now: datetime) -> datetime | None:
    """When what is new among alerts began: of those that are not `CONTEXT` beside the newest, the earliest that fires
    (of all, if none does); None without alerts. One from the future (a clock that is wrong) counts as of now.
    """
    began = [(min(alert.starts_at, now), alert.firing) for alert in alerts]
    newest = max((moment for moment, _ in began), default=now)
    fresh = [(moment, firing) for moment, firing in began if newest - moment <= CONTEXT]
    return min((moment for moment, firing in fresh if firing), default=min((m for m, _ in fresh), default=None))


@dataclass(frozen=True, slots=True)
class Incident:
    """What a responder is given: alerts that belong together, the time under suspicion, the time known to be healthy.

    ``baselines`` may lack a signal: that signal can then be described, but nothing in it be called new. ``notes`` are
    what the answer says of its alerts that is not looked at. ``alerting`` are the services that the alerts are about,
    as telemetry knows them; None as long as it was not looked at.
    """

    id: str
    alerts: tuple[Alert, ...]
    window: Window
    baselines: Mapping[Signal, Window] = field(default_factory=dict[Signal, Window])
    tenant: str = ""
    system: str = ""
    notes: tuple[str, ...] = ()
    alerting: tuple[str, ...] | None = field(default=None, compare=False)

    @property
    def alerted_at(self) -> datetime:
        """When the first alert began that still fires (of all, if none does), or the middle of the window without any.

        A notification names what has ended beside what fires: that may have begun for another reason, long before.
        """
        firing = [alert.starts_at for alert in self.alerts if alert.firing]
        began = firing or [alert.starts_at for alert in self.alerts]
        return min(began, default=self.window.start + self.window.length / 2)

    @property
    def alerting_services(self) -> tuple[str, ...]:
        """Services that the alerts are about, each once, in the order of the alerts; by their labels alone as long as
        nothing else is known.
        """
        if self.alerting is not None:
            return self.alerting
        return tuple(dict.fromkeys(alert.service for alert in self.alerts if alert.service))

    @property
    def named_services(self) -> tuple[str, ...]:
        """What services may be called that the alerts are about, the likeliest of every alert first."""
        guesses = [[one.guess for one in alert.subject.candidates] for alert in self.alerts]
        return tuple(dict.fromkeys(name for of_place in zip_longest(*guesses) for name in of_place if name))
