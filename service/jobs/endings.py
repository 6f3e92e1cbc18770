"""What a notification ends, whoever owns it.

Of one fingerprint one pair fires at most: a later beginning ends what began before. An alert that is resolved ends all
that its fingerprint began until its end, whatever it says when it began itself: Grafana 12 tells the end as the start.
A pair that ended stays ended.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from service.domain.alert import Alert


class Endings:
    """The ends that a notification tells, and those that follow from its beginnings."""

    def __init__(self, alerts: Iterable[Alert], owned: Iterable[Alert]) -> None:
        """``alerts`` are those of the notification, ``owned`` those that incidents own already."""
        self._resolved: defaultdict[str, list[Alert]] = defaultdict(list)
        self._began: defaultdict[str, set[datetime]] = defaultdict(set)
        for alert in alerts:
            if alert.firing:
                self._began[alert.fingerprint].add(alert.starts_at)
            else:
                self._resolved[alert.fingerprint].append(alert)
        for alert in owned:
            if alert.fingerprint in self._began:
                self._began[alert.fingerprint].add(alert.starts_at)

    def of(self, alert: Alert) -> datetime | None:
        """When the alert ended, as far as that is known by now; None while it fires."""
        if alert.ends_at is not None:
            return alert.ends_at
        began = alert.starts_at
        resolved = ((r.starts_at, r.ends_at) for r in self._resolved.get(alert.fingerprint, ()))
        ends = [end for start, end in resolved if end and (start == began or end >= began)]
        later = [other for other in self._began.get(alert.fingerprint, ()) if other > began]
        return min((*ends, *later), default=None)

    def ended(self, alert: Alert) -> Alert:
        """The alert with its end, if that is known by now."""
        end = self.of(alert)
        return alert if end == alert.ends_at else replace(alert, ends_at=end)


def only_ends(alert: Alert, pair: Alert) -> bool:
    """Whether all that a resolved alert does is to end, or to have ended, that pair of its fingerprint: as one
    fingerprint cannot fire twice at the same time, what overlaps is the same.
    """
    end = alert.ends_at
    if end is None or pair.starts_at > end:
        return False
    return pair.ends_at is None or pair.ends_at >= alert.starts_at
