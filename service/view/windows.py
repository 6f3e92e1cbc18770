"""Which time an incident looks at: what is under suspicion, and what is held for healthy."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from service.domain.alert import Alert
from service.domain.evidence import Signal
from service.domain.incident import Incident, news_began
from service.domain.window import Window

DAY = timedelta(days=1)
SHOWN = 3
"""Alerts that a note names."""

WITH_BASELINE = (Signal.TRACES, Signal.LOGS, Signal.METRICS)


@dataclass(frozen=True, slots=True)
class Sighting:
    """What is known of an incident before anything was fetched. ``window`` is set where somebody chose it; ``others``
    are the times in which other alerts of open incidents fired: whatever they look like, they are not healthy.
    ``since`` is when what is new of its alerts began, if that was kept; ``notes`` are what the answer says of it.
    """

    incident_id: str
    tenant: str
    alerts: tuple[Alert, ...]
    window: Window | None = None
    others: tuple[Window, ...] = ()
    since: datetime | None = None
    notes: tuple[str, ...] = ()


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
        ids = {"id": sighting.incident_id, "tenant": sighting.tenant}
        return replace(self.case, **ids, alerts=alerts or self.case.alerts, notes=sighting.notes)


@dataclass(frozen=True, slots=True)
class LiveWindows:
    """Under suspicion: from ``lead`` before the earliest alert of what is new until now, ``longest`` at most; what
    began earlier is context, and left out. Baseline: the longest stretch in the ``baseline`` before it in which no
    other alert fired, ``shortest_baseline`` at least; else the same time a day before; else none. What has fired for
    ``longest`` is how things are, and no longer kept out of it. The onset, when it is estimated, can move neither: it
    needs them first.
    """

    lead: timedelta = timedelta(minutes=10)
    longest: timedelta = timedelta(hours=2)
    baseline: timedelta = timedelta(hours=1)
    shortest_baseline: timedelta = timedelta(minutes=15)
    oldest: timedelta = timedelta(days=30)

    def incident(self, sighting: Sighting, now: datetime) -> Incident:
        """The sighting with its times."""
        subject, context = (sighting.alerts, ()) if sighting.window else self._parted(sighting, now)
        window = sighting.window or self.window(subject, now)
        healthy = self.healthy(window, (*sighting.others, *firing_times(context, now)))
        return Incident(
            id=sighting.incident_id,
            alerts=subject,
            window=window,
            baselines={} if healthy is None else dict.fromkeys(WITH_BASELINE, healthy),
            tenant=sighting.tenant,
            notes=(*sighting.notes, *_context_notes(context)),
        )

    def _parted(self, sighting: Sighting, now: datetime) -> tuple[tuple[Alert, ...], tuple[Alert, ...]]:
        """The alerts that it is about and those beside. What began within ``lead`` before what is new belongs to it."""
        since = sighting.since or news_began(sighting.alerts, now)
        parts: tuple[list[Alert], list[Alert]] = ([], [])
        for alert in sighting.alerts:
            parts[since is not None and since - alert.starts_at > self.lead].append(alert)
        subject, context = map(tuple, parts)
        return (subject, context) if subject else (context, ())

    def window(self, alerts: Sequence[Alert], now: datetime) -> Window:
        """What is under suspicion. An alert from the future (a clock that is wrong) counts as one of now."""
        firing = [alert.starts_at for alert in alerts if alert.firing]
        began = min(firing or [alert.starts_at for alert in alerts], default=now)
        start = max(min(began, now), now - self.oldest) - self.lead
        return Window(start, min(now, start + self.longest))

    def healthy(self, window: Window, others: Sequence[Window]) -> Window | None:
        """The baseline; None if there is none that could be believed."""
        clipped = [Window(other.start, min(other.end, other.start + self.longest)) for other in others]
        for before in (timedelta(), DAY):
            end = window.start - before
            found = _longest_free(Window(end - self.baseline, end), clipped)
            if found is not None and found.length >= self.shortest_baseline:
                return found
        return None


def firing_times(alerts: Iterable[Alert], now: datetime) -> tuple[Window, ...]:
    """The time in which each of them fired until now."""
    times = ((alert.starts_at, min(alert.ends_at or now, now)) for alert in alerts)
    return tuple(Window(start, end) for start, end in times if start < end)


def truncation_notes(truncated: int) -> tuple[str, ...]:
    """What an answer says of alerts that their sender left out."""
    if not truncated:
        return ()
    return (f"alerts: the sender left {truncated} out of its notification (truncatedAlerts), and they are not known",)


def _context_notes(context: Sequence[Alert]) -> Iterator[str]:
    firing = [alert for alert in context if alert.firing]
    if firing:
        names = [f"{a.labels.get('alertname', 'an alert')} of {a.service or 'no service'}" for a in firing]
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        yield f"alerts: what fired before is context, and not looked into: {', '.join(names[:SHOWN])}{more}"


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
