"""From settings to servers that are asked over HTTP, each of which is one `Backend` whatever signals it answers for."""

from dataclasses import dataclass, field, replace

import httpx

from service.errors import BackendError, SettingsError
from service.settings import BackendSettings
from service.stores.access import Access, Certificates
from service.stores.backend import Backend

NAMES = {
    "alertmanager": "Alertmanager",
    "clickhouse": "ClickHouse",
    "elasticsearch": "Elasticsearch",
    "grafana": "Grafana",
    "jaeger": "Jaeger",
    "kubernetes": "Kubernetes",
    "loki": "Loki",
    "mimir": "Mimir",
    "opensearch": "OpenSearch",
    "prometheus": "Prometheus",
    "slack": "Slack",
    "tempo": "Tempo",
    "thanos": "Thanos",
    "victorialogs": "VictoriaLogs",
    "victoriametrics": "VictoriaMetrics",
    "webhook": "the webhook",
}
"""What people call the kinds."""


@dataclass(slots=True)
class Backends:
    """The servers of this process: of settings that mean the same one there is one, with one limit and one breaker."""

    transport: httpx.AsyncBaseTransport | None = None
    opened: list[Backend] = field(default_factory=list[Backend])

    def of(self, signal: str, settings: BackendSettings, access: Access | None = None) -> Backend:
        """The server that a group of settings names; ``access`` is how it is reached where they do not say it.

        Raises `SettingsError` where a file that it needs cannot be used.
        """
        name, reached = NAMES[settings.kind], access or access_of(settings)
        _need_usable(signal, reached)
        for backend in self.opened:
            if (backend.name, backend.access) == (name, reached):
                return backend
        self.opened.append(Backend(name, reached, self.transport))
        return self.opened[-1]

    async def aclose(self) -> None:
        """Close all connections."""
        for backend in self.opened:
            await backend.aclose()


def access_of(settings: BackendSettings, base: Access | None = None) -> Access:
    """How a server is reached, by its settings; what they leave open is as in ``base``."""
    told = {name: getattr(settings, name) for name in Access.__slots__ if name in settings.model_fields_set}
    return replace(base or Access(settings.url), **told)


def _need_usable(signal: str, access: Access) -> None:
    """They are read anew for every request; that they are there can be said now."""
    try:
        access.sent()
        Certificates(access).refresh()
    except BackendError as error:
        raise SettingsError(f"[{signal}] {error}") from None
