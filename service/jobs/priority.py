"""What is localized first: what somebody asked for, then what still fires, the most severe first; then by age."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from service.domain.alert import Alert


class Severity(IntEnum):
    """How bad an alert's author holds it to be."""

    INFO = 1
    WARNING = 2
    ERROR = 3
    CRITICAL = 4


ASKED = 100
"""Somebody waits for the answer."""

FIRING = 10
"""What fires goes before what is over: that still deserves its answer, after those that burn."""

WORDS: Mapping[str, Severity] = {
    "critical": Severity.CRITICAL,
    "page": Severity.CRITICAL,
    "emergency": Severity.CRITICAL,
    "fatal": Severity.CRITICAL,
    "error": Severity.ERROR,
    "high": Severity.ERROR,
    "major": Severity.ERROR,
    "warning": Severity.WARNING,
    "warn": Severity.WARNING,
    "minor": Severity.WARNING,
    "info": Severity.INFO,
    "low": Severity.INFO,
    "none": Severity.INFO,
}


@dataclass(frozen=True, slots=True)
class Severities:
    """How an alert says how severe it is: the label, and what the words in it mean beside those that are usual."""

    label: str = "severity"
    words: Mapping[str, Severity] = field(default_factory=dict[str, Severity])

    def of(self, alert: Alert) -> Severity:
        """An alert's severity; one that does not say, or in a word that nobody knows, is a warning."""
        word = alert.labels.get(self.label, "").strip().lower()
        return self.words.get(word, WORDS.get(word, Severity.WARNING))

    def priority(self, alerts: Iterable[Alert]) -> int:
        """That of an incident of these alerts: as the worst that fires, else as the worst there was."""
        told = list(alerts)
        firing = [self.of(alert) for alert in told if alert.firing]
        return FIRING + max(firing) if firing else max(map(self.of, told), default=0)


STANDARD = Severities()
