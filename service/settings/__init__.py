"""What can be set: by a TOML file (``port = 9000``, under ``[model]`` ``name = "rules"``), by the environment with the
same names (``HYPOCENTER_PORT=9000``, ``HYPOCENTER_MODEL__NAME=rules``), by the command line; the later of these stands.
A name that does not exist is an error.
"""

from service.settings.backends import (
    BackendSettings,
    ChangesSettings,
    FamilySettings,
    LabelSettings,
    LogsSettings,
    MetricsSettings,
    TopologySettings,
    TracesSettings,
)
from service.settings.doors import DoorsSettings
from service.settings.groups import (
    BudgetSettings,
    GatewaySettings,
    GroupingSettings,
    ModelSettings,
    Settings,
    TelemetrySettings,
    WindowSettings,
    WorkerSettings,
)
from service.settings.links import LinksSettings
from service.settings.notify import NotifySettings
from service.settings.own_telemetry import OwnTelemetrySettings
from service.settings.reading import Options, read_settings

__all__ = [
    "BackendSettings",
    "BudgetSettings",
    "ChangesSettings",
    "DoorsSettings",
    "FamilySettings",
    "GatewaySettings",
    "GroupingSettings",
    "LabelSettings",
    "LinksSettings",
    "LogsSettings",
    "MetricsSettings",
    "ModelSettings",
    "NotifySettings",
    "Options",
    "OwnTelemetrySettings",
    "Settings",
    "TelemetrySettings",
    "TopologySettings",
    "TracesSettings",
    "WindowSettings",
    "WorkerSettings",
    "read_settings",
]
