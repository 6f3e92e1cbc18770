"""Alerts that are no incidents: they fire so that somebody sees when they stop, or keep other alerts quiet."""

from collections.abc import Sequence
from dataclasses import dataclass

from service.domain.alert import Alert

USUAL = (
    "alertname=Watchdog",
    "alertname=InfoInhibitor",
    "alertname=DeadMansSwitch",
    "alertname=DeadMansSnitch",
    "alertname=PrometheusAlertmanagerE2eDeadManSwitch",
    "alertname=AlwaysFiring",
    "severity=none",
)
"""Labels of such alerts: those of kube-prometheus and its like, and that by which people say that nothing is wrong."""


@dataclass(frozen=True, slots=True)
class NoIncidents:
    """Which alerts are not localized: those with one of these labels (``name=value``, in whatever case)."""

    labels: Sequence[str] = USUAL

    def reason(self, alert: Alert) -> str:
        """Why the alert is not localized; "" if it is."""
        if alert.ours:
            return "it is about hypocenter, or by it"
        for label in self.labels:
            name, _, value = label.partition("=")
            if alert.labels.get(name, "").strip().casefold() == value.casefold():
                return f"{label} is no incident (grouping.no_incidents)"
        return ""


USUALLY = NoIncidents()
