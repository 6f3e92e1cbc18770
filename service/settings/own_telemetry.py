from typing import Literal

from service.settings.values import Address, Group


class OwnTelemetrySettings(Group):
    """What hypocenter tells of itself beside its metrics and log lines: traces, which are sent to a collector by
    OTLP/HTTP if ``export`` is "otlp".
    """

    export: Literal["none", "otlp"] = "none"
    endpoint: Address = ""
    """The collector's address without ``/v1/traces``; else OpenTelemetry's own variables say it, and all else."""
    content: bool = False
    """Whether what the model was shown and wrote is told too: pieces of other people's telemetry."""
