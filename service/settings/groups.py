from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from service.jobs.no_incidents import USUAL
from service.settings.backends import (
    ChangesSettings,
    LabelSettings,
    LogsSettings,
    MetricsSettings,
    TopologySettings,
    TracesSettings,
)
from service.settings.doors import DoorsSettings
from service.settings.links import LinksSettings
from service.settings.notify import Targets
from service.settings.own_telemetry import OwnTelemetrySettings
from service.settings.values import Address, Group, Labels, Seconds, SeverityWords


class ModelSettings(Group):
    """Which model localizes: "promoted" (the one that ``hypocenter-models promote`` chose: ours, in this process),
    "rules" (written by hand, built in), "none" (the statistical rank alone), the directory of one with its manifest or
    its name in the store, or the name of one on a server (``base_url``).
    """

    name: Annotated[str, Field(min_length=1)] = "promoted"
    store: Path | None = None
    """The directory of models, each in its own; else that which is installed with the service."""
    base_url: str = ""
    """Who serves the model: any OpenAI-compatible server; one that could run in this process is served by vLLM then."""
    api_key_file: Path | None = None
    timeout_s: Seconds = 30.0
    at_once: Annotated[int, Field(ge=1, le=256)] = 2
    """Localizations of this process that ask the model at the same time; others wait, and have a statistical answer."""
    waiting: Annotated[int, Field(ge=0, le=10_000)] = 16
    """Of those, how many wait for the model; more have only the statistical answer."""
    slow_s: Seconds = 10.0
    """While a round takes the model longer, one localization at a time asks it."""
    interim_s: Seconds = 1.0
    """While the model thinks for longer, the statistical answer is shown."""
    tokens_per_hour: Annotated[int, Field(ge=0)] = 0
    """What the model may read and write for one tenant, by this process; 0 is no limit."""
    failures: Annotated[int, Field(ge=1, le=100)] = 3
    """After so many rounds in a row that failed, it is left alone for ``rest_s``; then one localization tries."""
    rest_s: Seconds = 30.0


class BudgetSettings(Group):
    """What one localization may cost."""

    deadline_s: Seconds = 60.0
    telemetry_timeout_s: Seconds = 10.0
    depth: Annotated[int, Field(ge=0, le=10)] = 3
    frames: Annotated[int, Field(ge=1, le=200)] = 16
    turns: Annotated[int, Field(ge=1, le=50)] = 8
    tokens: Annotated[int, Field(ge=1000)] = 100_000


class GatewaySettings(Group):
    """What callers may do."""

    body_limit_bytes: Annotated[int, Field(ge=1024)] = 1_000_000
    alerts_limit_bytes: Annotated[int, Field(ge=1024, le=1_000_000_000)] = 16_000_000
    """The longest notification: what is refused for its length, Alertmanager never sends again."""
    alerts_room_bytes: Annotated[int, Field(ge=1024)] = 32_000_000
    """All notifications together that are being taken in; more are told to come again, which Alertmanager does."""
    requests_per_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 500.0
    """Requests per second in the long run, of each kind (what is told, telemetry, looked at, operated); 0: no limit."""
    caller_requests_per_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """The same of one token in one tenant's name."""
    connections: Annotated[int, Field(ge=2)] = 500
    """Open at once; half of them may look and wait, so that alerts find room."""
    header_limit_bytes: Annotated[int, Field(ge=1024)] = 32_768
    header_timeout_s: Seconds = 10.0
    longest_wait_s: Seconds = 60.0
    heartbeat_s: Seconds = 15.0


class WorkerSettings(Group):
    """How localizations are worked on."""

    at_once: Annotated[int, Field(ge=0, le=64)] = 2
    """Localizations at the same time; with 0 a server works on none, and leaves them to others."""
    port: Annotated[int | None, Field(ge=0, le=65_535)] = None
    """Where a worker without HTTP answers probes and tells its metrics nevertheless; 0 takes a free one."""
    lease_s: Seconds = 6.0
    drain_s: Seconds = 10.0
    """How long a localization may take to end when the process is told to."""
    at_once_in_all: Annotated[int, Field(ge=0)] = 0
    """Localizations at the same time of all workers of the store, with those that wait for a model; 0 is no limit."""
    at_once_of_tenant: Annotated[int, Field(ge=0)] = 0
    late_s: Seconds = 900.0
    """One that waited for longer is dropped if its incident was resolved meanwhile."""
    telemetry_s: Annotated[float, Field(gt=0, le=366 * 86_400, allow_inf_nan=False)] = 48 * 3600.0
    """How long the servers keep telemetry: of older incidents nothing could be said, and they are dropped."""


class GroupingSettings(Group):
    """Which alerts are one incident, and how they say how severe they are."""

    join_s: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)] = 300.0
    """For how long after an incident opened, others on its call path join it; 0: none ever does."""
    again_s: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)] = 180.0
    """An alert that begins again so long after it was localized is a failure of its own; before that it flaps."""
    no_incidents: Labels = USUAL
    """Alerts with one of these labels are acknowledged, and not localized."""
    severity_label: Annotated[str, Field(min_length=1)] = "severity"
    severities: SeverityWords = Field(default_factory=dict)
    """Words of one's own, ``{ p1 = "critical" }``, beside critical, page, error, high, warning, info and the like."""


class RedisSettings(Group):
    """How the incident store's server is spoken to, where ``store`` is the address of one."""

    password_file: Path | None = None
    """Read for every connection."""
    ca_file: Path | None = None
    """Whom to trust with ``rediss://``, beside those that the system trusts."""
    prefix: Annotated[str, Field(min_length=1)] = "hypocenter:"
    """What all keys begin with: several installations may share a server."""
    timeout_s: Seconds = 5.0


class RetentionSettings(Group):
    """How long incidents are kept that are over, answered and delivered."""

    keep_s: Annotated[float, Field(gt=0, le=3660 * 86_400, allow_inf_nan=False)] = 30 * 86_400.0
    """Since somebody last spoke of them. Who never says that an incident ended has abandoned it then."""
    keep_count: Annotated[int, Field(ge=0)] = 100_000
    """No more than the newest so many, however young the others are."""
    every_s: Seconds = 60.0


class WindowSettings(Group):
    """Which time a live incident looks at: see `service.view.windows.LiveWindows`."""

    lead_s: Seconds = 600.0
    longest_s: Seconds = 7200.0
    baseline_s: Seconds = 3600.0
    shortest_baseline_s: Seconds = 900.0


class TelemetrySettings(Group):
    """The store that exporters send their telemetry to, in the directory ``embedded``: signals that no other server is
    named for come from there.
    """

    embedded: Path | None = None
    keep_s: Annotated[float, Field(gt=0, le=366 * 86_400, allow_inf_nan=False)] = 48 * 3600.0
    """Rows are kept so long, and are removed earlier if there would be more than ``keep_bytes``, oldest first."""
    keep_bytes: Annotated[int, Field(ge=1_000_000)] = 5_000_000_000
    body_limit_bytes: Annotated[int, Field(ge=1024, le=100_000_000)] = 8_000_000
    """The longest request taken, packed and unpacked."""
    room_bytes: Annotated[int, Field(ge=1024)] = 64_000_000
    """All requests together that are not on the disk yet; more are told to come again."""


class Settings(Group):
    """All settings; only `service.app` and `service.wiring` read them."""

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8080
    store: Annotated[str, Field(min_length=1)] = "hypocenter.sqlite"
    """The incident store: a file, or the address of a Redis or Valkey, ``redis[s]://[user[:password]@]host[:port][/n]``."""
    case: Path | None = None
    rank: Literal["model", "statistical", "fused"] = "fused"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "text"] = "auto"
    """How log lines are written; "auto": as words on a terminal, as JSON elsewhere."""
    own_telemetry: OwnTelemetrySettings = OwnTelemetrySettings()
    model: ModelSettings = ModelSettings()
    budget: BudgetSettings = BudgetSettings()
    gateway: GatewaySettings = GatewaySettings()
    doors: DoorsSettings = DoorsSettings()
    worker: WorkerSettings = WorkerSettings()
    grouping: GroupingSettings = GroupingSettings()
    redis: RedisSettings = RedisSettings()
    retention: RetentionSettings = RetentionSettings()
    windows: WindowSettings = WindowSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    traces: TracesSettings = TracesSettings()
    logs: LogsSettings = LogsSettings()
    metrics: MetricsSettings = MetricsSettings()
    changes: ChangesSettings = ChangesSettings()
    topology: TopologySettings = TopologySettings()
    labels: LabelSettings = LabelSettings()
    links: LinksSettings = LinksSettings()
    notify: Targets = Field(default_factory=dict)
    public_url: Address = ""
    """Under which address people find us: for the link to the whole answer in what they are told."""
