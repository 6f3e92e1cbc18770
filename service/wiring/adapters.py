"""From settings to adapters: what answers for a signal."""

from service.settings import (
    ChangesSettings,
    LabelSettings,
    LogsSettings,
    MetricsSettings,
    TopologySettings,
    TracesSettings,
)
from service.stores.clickhouse import ClickHouse, Tables
from service.stores.elasticsearch import ElasticsearchLogs, Index
from service.stores.jaeger import Jaeger
from service.stores.kubernetes.store import Kubernetes, service_account
from service.stores.log_fields import ECS, OTEL, USUAL, LogFields
from service.stores.loki import FIELDS, LokiLogs
from service.stores.prometheus import PrometheusMetrics
from service.stores.prometheus_exemplars import PrometheusExemplars
from service.stores.prometheus_series import FAMILIES, Family, Labels
from service.stores.tempo import Tempo
from service.stores.trace_sampling import TracePlan
from service.stores.victorialogs import VictoriaLogs
from service.wiring.backends import Backends, access_of

_CONVENTIONS = {"": USUAL, "otel": OTEL, "ecs": ECS}
_OF_LOGS = ("service", "pod", "node", "severity", "body", "trace_id", "span_id")
_OF_METRICS = ("service", "pod", "node", "peer", "status")


PATIENCE = 0.75
"""The part of a call's time after which a sample of traces is as large as it will be."""

Traces = Jaeger | Tempo | ClickHouse
Logs = LokiLogs | VictoriaLogs | ElasticsearchLogs | ClickHouse


def open_traces(settings: TracesSettings, backends: Backends) -> Traces | None:
    """Where traces come from; None if that is not set. Raises `SettingsError`."""
    if not settings.kind:
        return None
    backend = backends.of("traces", settings)
    plan = TracePlan(settings.traces, within_s=PATIENCE * backend.access.total_s)
    match settings.kind:
        case "jaeger":
            return Jaeger(backend, plan)
        case "tempo":
            return Tempo(backend, plan)
        case _:
            return ClickHouse(backend, Tables(settings.database, traces=settings.table))


def open_logs(settings: LogsSettings, labels: LabelSettings, backends: Backends) -> Logs | None:
    """Where logs come from; None if that is not set. Raises `SettingsError`."""
    if not settings.kind:
        return None
    backend, fields = backends.of("logs", settings), _fields(_CONVENTIONS[settings.fields], labels)
    match settings.kind:
        case "loki":
            return LokiLogs(backend, settings.only, _fields(FIELDS, labels))
        case "victorialogs":
            return VictoriaLogs(backend, settings.only, fields)
        case "clickhouse":
            return ClickHouse(backend, Tables(settings.database, logs=settings.table))
        case _:
            return ElasticsearchLogs(backend, Index(settings.index, settings.time_field, fields, settings.only))


def open_metrics(settings: MetricsSettings, labels: LabelSettings, backends: Backends) -> PrometheusMetrics | None:
    """Where metrics come from; None if that is not set. Raises `SettingsError`."""
    if not settings.kind:
        return None
    return PrometheusMetrics(
        backends.of("metrics", settings),
        step_s=settings.step_s,
        labels=_labels(labels),
        families=_families(settings),
    )


def open_exemplars(
    settings: MetricsSettings, labels: LabelSettings, backends: Backends, traces: Traces | None
) -> PrometheusExemplars | None:
    """Where traces are named by metrics; None if there are none, or they cannot be asked for by name.

    Raises `SettingsError`.
    """
    if not settings.kind or not isinstance(traces, Jaeger | Tempo):
        return None
    return PrometheusExemplars(backends.of("metrics", settings), _labels(labels), _families(settings))


def open_changes(settings: ChangesSettings, labels: LabelSettings, backends: Backends) -> Kubernetes | None:
    """The cluster that changes come from; None if there is none. Raises `SettingsError`."""
    return _cluster("changes", settings, labels, backends) if settings.kind else None


def open_topology(settings: TopologySettings, labels: LabelSettings, backends: Backends) -> Kubernetes | Jaeger | None:
    """Who else is asked who calls whom and what runs where; None if nobody is. Raises `SettingsError`."""
    if settings.kind == "jaeger":
        return Jaeger(backends.of("topology", settings))
    return _cluster("topology", settings, labels, backends) if settings.kind else None


def _labels(labels: LabelSettings) -> Labels:
    usual = Labels()
    return Labels(**{kind: (*getattr(labels, kind), *getattr(usual, kind)) for kind in _OF_METRICS})


def _families(settings: MetricsSettings) -> tuple[Family, ...]:
    return (*(Family(**told.model_dump()) for told in settings.families), *FAMILIES)


def _fields(usual: LogFields, labels: LabelSettings) -> LogFields:
    return usual.preferring(**{what: getattr(labels, what) for what in _OF_LOGS})


def _cluster(signal: str, settings: ChangesSettings, labels: LabelSettings, backends: Backends) -> Kubernetes:
    access = access_of(settings, None if settings.url else service_account())
    return Kubernetes(backends.of(signal, settings, access), settings.namespaces, labels.service)
