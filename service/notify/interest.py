from dataclasses import dataclass

from service.domain.localization import Localization
from service.jobs.records import Claim, Reason


@dataclass(frozen=True, slots=True)
class Interest:
    """Which answers somebody wants to be told.

    ``unresolved``: also those in which no cause stands out; ``asked``: also those that somebody asked for and waits
    for. ``min_confidence`` is that of the first cause, 0 to 1. Of which ``tenants``; of all, if none is named.
    """

    unresolved: bool = True
    asked: bool = False
    min_confidence: float = 0.0
    tenants: frozenset[str] = frozenset()

    def wants(self, claim: Claim, said: Localization) -> bool:
        """Whether this is one of them."""
        if self.tenants and claim.incident.tenant not in self.tenants:
            return False
        if claim.localization.reason is Reason.ASKED and not self.asked:
            return False
        if said.unresolved and not self.unresolved:
            return False
        return max((cause.confidence for cause in said.causes[:1]), default=0.0) >= self.min_confidence
