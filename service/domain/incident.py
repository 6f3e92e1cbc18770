from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from service.domain.alert import Alert
from service.domain.evidence import Signal
from service.domain.window import Window


@dataclass(frozen=True, slots=True)
class Incident:
    """What a responder is given: alerts that belong together, the time under suspicion, the time known to be healthy.

    ``baselines`` may lack a signal: that signal can then be described, but nothing in it be called new.
    """

    id: str
    alerts: tuple[Alert, ...]
    window: Window
    baselines: Mapping[Signal, Window] = field(default_factory=dict[Signal, Window])
    tenant: str = ""
    system: str = ""

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
        """Services that the alerts name, each once, in the order of the alerts."""
        return tuple(dict.fromkeys(alert.service for alert in self.alerts if alert.service))
