"""What somebody asks at the terminal, as the incident that it is about."""

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from service.domain.subject import NONE_TRUSTED, Trusted
from service.domain.window import rfc3339
from service.errors import CallerError
from service.gateway.callers import TENANT
from service.gateway.questions import question_of
from service.stores.alert_body import parse_alert_body
from service.stores.validation import Moment, first_fault
from service.view.windows import Sighting, truncation_notes

LATELY: Final = "15m"
_SPAN: Final = re.compile(r"(?P<count>[1-9][0-9]{0,5})(?P<unit>[smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_MOMENT: Final = TypeAdapter[datetime](Moment)


@dataclass(frozen=True, slots=True)
class Asked:
    """A service that somebody complains of, or the body of an alert; ``at`` is when (else now), ``since`` how long
    before that the trouble of the service may have begun, ``tenant`` whose incident it is.
    """

    service: str | None = None
    alert: Path | None = None
    at: str | None = None
    since: str | None = None
    tenant: str = ""

    def moment(self, now: datetime) -> datetime:
        """The time from which it is looked at. Raises `CallerError`."""
        if self.at is None:
            return now
        try:
            at = _MOMENT.validate_python(self.at)
        except ValidationError as error:
            raise CallerError(f"--at {self.at[:40]}: {first_fault(error)}") from None
        if at > now:
            raise CallerError(f"--at {self.at[:40]}: lies in the future")
        return at

    def sighting(self, now: datetime, trusted: Trusted = NONE_TRUSTED) -> Sighting:
        """What is known before anything is fetched; ``trusted`` are labels that are believed before the usual ones.

        Raises `CallerError`.
        """
        at = self.moment(now)
        if self.tenant and not TENANT.fullmatch(self.tenant):
            raise CallerError(f"--tenant {self.tenant[:40]}: is no name of a tenant")
        name = f"asked-{at:%Y%m%dT%H%M%SZ}"
        if self.alert is not None:
            if self.since is not None:
                raise CallerError("--since is for --service: an alert tells itself when it began")
            group = parse_alert_body(_body(self.alert), trusted)
            return Sighting(name, self.tenant, group.alerts, notes=truncation_notes(group.truncated))
        window = [rfc3339(at - span(self.since or LATELY)), rfc3339(at)]
        question = question_of({"component": self.service, "window": window}, now)
        return Sighting(name, self.tenant, question.alerts, question.window)


def span(told: str) -> timedelta:
    """``90s``, ``15m``, ``2h``, ``1d``. Raises `CallerError`."""
    found = _SPAN.fullmatch(told)
    if found is None:
        raise CallerError(f"--since {told[:40]}: should be a time such as 90s, 15m or 2h")
    return timedelta(**{_UNITS[found["unit"]]: int(found["count"])})


def _body(file: Path) -> object:
    try:
        return json.loads(file.read_bytes())
    except OSError as error:
        raise CallerError(f"--alert {file}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise CallerError(f"--alert {file}: is no JSON") from None
