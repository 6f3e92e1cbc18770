"""Times as log backends write them: RFC 3339 with up to nine digits after the second, of which we keep six."""

import re
from datetime import datetime

from service.domain.window import rfc3339
from service.stores.embedded.decoded import microseconds
from service.stores.validation import YEARS

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?(Z|[+-]\d\d:?\d\d)")


def microseconds_of(text: str) -> int | None:
    """Whole microseconds since 1970; None for what is no such time, or no time of telemetry."""
    if (found := _TIME.fullmatch(text.strip())) is None:
        return None
    second, fraction, zone = found.groups(default="")
    try:
        moment = datetime.fromisoformat(second + zone)
    except ValueError:
        return None
    return microseconds(moment) + int(fraction.ljust(9, "0")[:6]) if moment.year in YEARS else None


def nanosecond_text(moment: datetime, *, last: bool = False) -> str:
    """The moment with all nine digits; with ``last`` the last nanosecond of its microsecond, which is part of it."""
    text = rfc3339(moment.replace(microsecond=0)).removesuffix("Z")
    return f"{text}.{moment.microsecond:06d}{'999' if last else '000'}Z"
