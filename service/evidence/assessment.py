from dataclasses import dataclass
from datetime import datetime

from service.domain.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Assessment:
    """All that telemetry says about one incident, worst first, and when it seems to have begun."""

    evidence: tuple[Evidence, ...]
    onset: datetime | None
