"""Which time an incident looks at: what is under suspicion, and what is held for healthy."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from service.domain.alert import Alert
from service.domain.evidence import Signal
from service.domain.incident import Incident
from service.domain.window import Window

DAY = timedelta(days=1)
WITH_BASELINE = (Signal.TRACES, Signal.LOGS, Signal.METRICS)


@dataclass(frozen=True, slots=True)
class Sighting:
    """What is known of an incident before anything was fetched. ``window`` is set where somebody chose it; ``others``
    are the times of other open incidents: whatever they look like, they are not healthy.
    """

    incident_id: str
    tenant: str
    alerts: tuple[Alert, ...]
    window: Window | None = None
    others: tuple[Window, ...] = ()


class WindowPolicy(Protocol):
    """Decides which time an incident looks at."""

    def incident(self, sighting: Sighting, now: datetime) -> Incident:
        """The incident with its window and baselines."""
        ...


@dataclass(frozen=True, slots=True)
class RecordedWindows:
    """The windows of a recorded case, whatever time it is: alerts of another time are told as if they were its own."""

    case: Incident

    def incident(self, sighting: Sighting, now: datetime) -> Incident:
        """The sighting's alerts in the case's time."""
        window = self.case.window
        alerts = tuple(
            alert if window.start <= alert.starts_at <= window.end else replace(alert, starts_at=self.case.alerted_at)
            for alert in sighting.alerts
        )
        return replace(self.case, id=sighting.incident_id, tenant=sighting.tenant, alerts=alerts or self.case.alerts)


@dataclass(frozen=True, slots=True)
class LiveWindows:
    """Under suspicion: from ``lead`` before the earliest alert until now, ``longest`` at most. Baseline: the longest
    stretch without other incidents in the ``baseline`` before it, ``shortest_baseline`` at least; else the same time a
    day before; else none. The onset, when it is estimated, can move neither: it needs them first.
    """

    lead: timedelta = timedelta(minutes=10)
    longest: timedelta = timedelta(hours=2)
    baseline: timedelta = timedelta(hours=1)
    shortest_baseline: timedelta = timedelta(minutes=15)
    oldest: timedelta = timedelta(days=30)

    def incident(self, sighting: Sighting, now: datetime) -> Incident:
        """The sighting with its times."""
        window = sighting.window or self.window(sighting.alerts, now)
        healthy = self.healthy(window, sighting.others)
        return Incident(
            id=sighting.incident_id,
            alerts=sighting.alerts,
            window=window,
            baselines={} if healthy is None else dict.fromkeys(WITH_BASELINE, healthy),
            tenant=sighting.tenant,
        )

    def window(self, alerts: Sequence[Alert], now: datetime) -> Window:
        """What is under suspicion. An alert from the future (a clock that is wrong) counts as one of now."""
        firing = [alert.starts_at for alert in alerts if alert.firing]
        began = min(firing or [alert.starts_at for alert in alerts], default=now)
        start = max(min(began, now), now - self.oldest) - self.lead
        return Window(start, min(now, start + self.longest))

    def healthy(self, window: Window, others: Sequence[Window]) -> Window | None:
        """The baseline; None if there is none that could be believed."""
        for before in (timedelta(), DAY):
            end = window.start - before
            found = _longest_free(Window(end - self.baseline, end), others)
            if found is not None and found.length >= self.shortest_baseline:
                return found
        return None


def _longest_free(within: Window, others: Sequence[Window]) -> Window | None:
    """The longest stretch that no other window touches; of equal ones the last."""
    free: list[Window] = []
    start = within.start
    for other in sorted((o for o in others if o.overlaps(within)), key=lambda o: o.start):
        if other.start > start:
            free.append(Window(start, other.start))
        start = max(start, other.end)
    if start < within.end:
        free.append(Window(start, within.end))
    return max(reversed(free), key=lambda w: w.length, default=None)
