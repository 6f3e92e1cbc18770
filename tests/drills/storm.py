"""Storms of webhooks as Alertmanager would send them: groups that open, repeat, grow, flap and resolve."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from service.domain.alert import Alert
from service.stores.alert_body import AlertGroup, alert_body

LARGEST_GROUP = 12
Pair = tuple[str, datetime]


@dataclass(frozen=True, slots=True)
class Webhook:
    """One body and what its sender may rely on once it is acknowledged. Webhooks of one group are sent in order."""

    group: int
    body: dict[str, Any]
    pairs: frozenset[Pair]


@dataclass(slots=True)
class _Group:
    number: int
    alerts: list[Alert] = field(default_factory=list[Alert])
    told: int = 0

    def webhook(self) -> Webhook:
        status = "firing" if any(alert.firing for alert in self.alerts) else "resolved"
        group = AlertGroup(f"group-{self.number}", status, tuple(self.alerts))
        pairs = frozenset((alert.fingerprint, alert.starts_at) for alert in self.alerts)
        return Webhook(self.number, alert_body(group), pairs)


def storm(seed: int, count: int, groups: int, began: datetime | None = None) -> Iterator[Webhook]:
    """So many webhooks of so many groups; the same seed and beginning make the same."""
    chance, began = random.Random(seed), began or datetime.now(UTC).replace(microsecond=0)
    known = [_Group(number) for number in range(groups)]
    for n in range(count):
        group = chance.choice(known)
        _happens(group, chance, began + timedelta(milliseconds=n))
        yield group.webhook()


def _happens(group: _Group, chance: random.Random, now: datetime) -> None:
    """The group grows, is told again as it is, or is over; what is over is not told again when it flaps."""
    if not any(alert.firing for alert in group.alerts):
        group.alerts = [_alert(group, chance, now)]
    elif chance.random() < 0.4 and len(group.alerts) < LARGEST_GROUP:
        group.alerts.append(_alert(group, chance, now))
    elif chance.random() < 0.1:
        group.alerts = [_ended(alert, now) for alert in group.alerts]


def _alert(group: _Group, chance: random.Random, now: datetime) -> Alert:
    """One of the group's services; some lie in two groups, which may then be one incident."""
    group.told += 1
    service = f"service-{group.number + (chance.random() < 0.1)}"
    labels = {"alertname": "Slow", "service": service, "pod": f"pod-{group.told % LARGEST_GROUP}"}
    fingerprint = f"{group.number}-{labels['pod']}"
    return Alert(fingerprint, now, None, {**labels, "severity": chance.choice(["critical", "warning"])})


def _ended(alert: Alert, now: datetime) -> Alert:
    return Alert(alert.fingerprint, alert.starts_at, now, alert.labels)
