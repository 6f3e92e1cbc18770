from dataclasses import dataclass
from datetime import datetime

from service.domain.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Assessment:
    """All that telemetry says about one incident, largest effect first, when it seems to have begun, and who was seen
    to call whom since: of these calls it would be known if they had got worse.
    """

    evidence: tuple[Evidence, ...]
    onset: datetime | None
    calls: frozenset[tuple[str, str]] = frozenset()
