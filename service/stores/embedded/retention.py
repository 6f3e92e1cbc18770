from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.stores.embedded.decoded import microseconds
from service.stores.embedded.segments import Segment


@dataclass(frozen=True, slots=True)
class Retention:
    """How long rows are kept, and how many bytes of segments there may be in all."""

    max_age: timedelta = timedelta(hours=48)
    max_bytes: int = 5_000_000_000


def expired(segments: Iterable[tuple[Segment, int]], retention: Retention, now: datetime) -> list[Segment]:
    """The segments, told with their bytes, that have to go: those whose last row is too old, then the oldest until
    the others fit.
    """
    oldest_us = microseconds(now - retention.max_age)
    left = retention.max_bytes
    gone: list[Segment] = []
    for segment, size in sorted(segments, key=lambda told: told[0].last_us, reverse=True):
        left -= size
        if segment.last_us < oldest_us or left < 0:
            gone.append(segment)
    return gone
