from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

from service.domain.subject import NONE_TRUSTED, Subject, Trusted, subject_of

ROOT_CAUSE = "HypocenterRootCause"
"""The name of the alerts by which we tell a root cause ourselves."""

OURSELVES = "hypocenter"
"""The service that alerts about us name."""

MOST_PARAMETERS = 100
"""A link with more parameters is not read."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert as Alertmanager told it; identified by its fingerprint and the moment it began. ``trusted`` are labels
    that are believed before the usual ones; ``service`` is whom it is about by its labels alone (a service, the
    workload of a pod, or a node), or "".
    """

    fingerprint: str
    starts_at: datetime
    ends_at: datetime | None = None
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])
    generator_url: str = ""
    trusted: Trusted = NONE_TRUSTED
    service: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "service", self.subject.guess)

    @property
    def subject(self) -> Subject:
        """Whom it may be about, the likeliest first."""
        return subject_of(self.labels, self.expression, self.trusted)

    @property
    def firing(self) -> bool:
        """Whether it has not ended."""
        return self.ends_at is None

    @property
    def ours(self) -> bool:
        """Whether it is what we found out about others, or about ourselves: to look for the cause of the first would
        never end, and of ourselves there is no telemetry among that which is looked at.
        """
        return self.labels.get("alertname") == ROOT_CAUSE or self.service == OURSELVES

    @property
    def expression(self) -> str:
        """What its rule asks, in the language of whoever evaluates it, as the link to there has it; "" if it has none.

        Only this is read of the link: nobody is asked at an address that an alert names.
        """
        try:
            told = parse_qs(urlsplit(self.generator_url).query, max_num_fields=MOST_PARAMETERS)
        except ValueError:
            return ""
        return told.get("g0.expr", [""])[0].strip()
