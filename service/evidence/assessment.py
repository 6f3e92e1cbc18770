from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from service.domain.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Assessment:
    """All that telemetry says about one incident, largest effect first, when it seems to have begun, and who was seen
    to call whom since: of these calls it would be known if they had got worse. ``new_pods`` are those without a past,
    of each service that runs others beside them: of these it would be known if they were worse than the others.
    """

    evidence: tuple[Evidence, ...]
    onset: datetime | None
    calls: frozenset[tuple[str, str]] = frozenset()
    new_pods: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
