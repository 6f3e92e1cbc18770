from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

SERVICE_LABELS = ("service", "service_name", "app", "app_kubernetes_io_name", "job", "container", "deployment")
"""Labels that may name the alerting service, most telling first: the conventions of Prometheus and Kubernetes."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert as Alertmanager told it; identified by its fingerprint and the moment it began."""

    fingerprint: str
    starts_at: datetime
    ends_at: datetime | None = None
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])
    generator_url: str = ""

    @property
    def firing(self) -> bool:
        """Whether it has not ended."""
        return self.ends_at is None

    @property
    def service(self) -> str:
        """The service that its labels name, or ""."""
        return next((self.labels[name] for name in SERVICE_LABELS if self.labels.get(name)), "")
