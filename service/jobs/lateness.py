from dataclasses import dataclass
from datetime import datetime, timedelta

from service.domain.window import Window
from service.jobs.records import Claim, IncidentStatus, Reason


@dataclass(frozen=True, slots=True)
class Lateness:
    """When an answer would help nobody any more: ``over`` after it was queued, if its incident was resolved meanwhile;
    or when what it looks at is older than ``telemetry`` is kept (None: for ever). What was asked for is never late.
    """

    over: timedelta = timedelta(minutes=15)
    telemetry: timedelta | None = None

    def reason(self, claim: Claim, window: Window, now: datetime) -> str:
        """Why a localization that looks at ``window`` is dropped, in one line; "" if it is not."""
        if claim.localization.reason is Reason.ASKED:
            return ""
        waited = now - claim.localization.created_at
        if claim.incident.status is IncidentStatus.RESOLVED and waited > self.over:
            return f"its incident was resolved, and it had waited for {waited.total_seconds():.0f} s"
        if self.telemetry is not None and window.end < now - self.telemetry:
            return f"it looks at {window.end:%Y-%m-%d %H:%M} UTC, telemetry is kept for {self.telemetry}"
        return ""
