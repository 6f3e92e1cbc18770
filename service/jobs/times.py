"""Times as the stores keep them: microseconds since 1970 (UTC)."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def to_us(time: datetime) -> int:
    """Microseconds since 1970."""
    return (time - EPOCH) // MICROSECOND


def from_us(us: int) -> datetime:
    """The time of that many microseconds since 1970."""
    return EPOCH + us * MICROSECOND


def maybe_us(time: datetime | None) -> int | None:
    """The same, where there may be no time."""
    return None if time is None else to_us(time)


def maybe_time(us: int | None) -> datetime | None:
    """The same, where there may be no time."""
    return None if us is None else from_us(us)
