"""Where live telemetry comes from: a group a signal, each of which names a server and how it is asked."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from service.settings.values import Address, Group, HeaderFiles, Headers, Seconds, Words
from service.stores.access import Access
from service.stores.trace_sampling import TracePlan

_USUAL = Access("")
"""How a server is asked of which nothing is said."""
KUBERNETES = "kubernetes"
"""Whoever runs in a cluster knows where its server is and who he is."""


class BackendSettings(Group):
    """One server: its address, how we show who we are, and its limits (`service.stores.access.Access`).

    Secrets stand in files and are read for every request. ``tenant`` goes into the header X-Scope-OrgID, or that of
    ``tenant_header``. A certificate of ours is ``certificate_file`` with its ``key_file``.
    """

    kinds: ClassVar[tuple[str, ...]] = ()
    """What this signal's server may be."""

    kind: str = ""
    url: Address = ""
    tenant: str = ""
    tenant_header: str = _USUAL.tenant_header
    headers: Headers = Field(default_factory=dict)
    header_files: HeaderFiles = Field(default_factory=dict)
    bearer_file: Path | None = None
    user: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    connect_s: Seconds = _USUAL.connect_s
    read_s: Seconds = _USUAL.read_s
    total_s: Seconds = _USUAL.total_s
    body_limit_bytes: Annotated[int, Field(ge=1024, le=1_000_000_000)] = _USUAL.body_limit_bytes
    at_once: Annotated[int, Field(ge=1, le=64)] = _USUAL.at_once

    @property
    def somewhere(self) -> bool:
        """Whether it is said where it is."""
        return bool(self.url) or self.kind == KUBERNETES

    @property
    def place(self) -> str:
        """Which setting says where it is."""
        return "url"

    @field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        if kind and kind not in cls.kinds:
            raise ValueError(f"should be one of {', '.join(cls.kinds)}")
        return kind

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.url and not self.kind:
            raise ValueError(f"has a url but no kind, which should be one of {', '.join(self.kinds)}")
        if self.kind and not self.somewhere:
            raise ValueError(f"is of kind {self.kind}, but has no {self.place}")
        if self.password_file and not self.user:
            raise ValueError("has a password_file but no user")
        if self.key_file and not self.certificate_file:
            raise ValueError("has a key_file but no certificate_file")
        return self


class TracesSettings(BackendSettings):
    """Where traces come from, and who calls whom where that server tells. Of a Jaeger or a Tempo, ``traces`` is how
    many are fetched of one service and one stretch of time, at most. ``database`` and ``table`` are ClickHouse's.
    """

    kinds: ClassVar[tuple[str, ...]] = ("jaeger", "tempo", "clickhouse")
    traces: Annotated[int, Field(ge=1, le=5000)] = TracePlan().traces
    database: str = "default"
    table: str = "otel_traces"


class LogsSettings(BackendSettings):
    """Where logs come from.

    ``only`` says which are ours, in the server's own language (``{namespace="shop"}`` for Loki and VictoriaLogs,
    ``kubernetes.namespace: shop`` for Elasticsearch). ``index`` and ``time_field`` are Elasticsearch's and
    OpenSearch's, ``database`` and ``table`` ClickHouse's. ``fields`` names a convention, else all are tried.
    """

    kinds: ClassVar[tuple[str, ...]] = ("loki", "elasticsearch", "opensearch", "victorialogs", "clickhouse")
    only: str = ""
    fields: Literal["", "otel", "ecs"] = ""
    index: Annotated[str, Field(min_length=1)] = "logs-*"
    time_field: Annotated[str, Field(min_length=1)] = "@timestamp"
    database: str = "default"
    table: str = "otel_logs"


class FamilySettings(Group):
    """A family of series that is asked for beside those of the conventions and the common exporters: its name, without
    ``_bucket``, ``_sum`` or ``_count`` where it is a histogram; ``scale`` converts to the unit.
    """

    name: Annotated[str, Field(pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$")]
    form: Literal["gauge", "rate", "histogram"]
    unit: str = ""
    about: Literal["component", "edge", "node"] = "component"
    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0


class MetricsSettings(BackendSettings):
    """Where metrics come from. ``step_s`` is how far apart samples should be, where no scrapes are further apart."""

    kinds: ClassVar[tuple[str, ...]] = ("prometheus", "victoriametrics", "thanos", "mimir")
    step_s: Annotated[int, Field(ge=1, le=3600)] = 15
    families: tuple[FamilySettings, ...] = ()


class ChangesSettings(BackendSettings):
    """Where changes come from, beside those that are sent here; a Kubernetes also tells what runs where. Without a
    ``url`` it is that of the cluster which we run in, by our service account. ``namespaces`` are looked at, all if none
    is named.
    """

    kinds: ClassVar[tuple[str, ...]] = ("kubernetes",)
    namespaces: Words = ()


class TopologySettings(ChangesSettings):
    """Who else tells who calls whom and what runs where, beside the servers of traces and changes."""

    kinds: ClassVar[tuple[str, ...]] = ("jaeger", "kubernetes")


class LabelSettings(Group):
    """Labels, fields and attributes that say whose a series or a record is, believed before those that are usual.

    ``peer`` is what calls go to, ``status`` the answer's code; both are of metrics. The last four are of logs.
    """

    service: Words = ()
    pod: Words = ()
    node: Words = ()
    peer: Words = ()
    status: Words = ()
    severity: Words = ()
    body: Words = ()
    trace_id: Words = ()
    span_id: Words = ()
