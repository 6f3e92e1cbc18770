from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time, both ends aware and part of it: recordings end on their last row."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("a window's ends carry a time zone")
        if self.end <= self.start:
            raise ValueError(f"a window ends after it starts: {self.start.isoformat()} to {self.end.isoformat()}")

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return self.end - self.start

    def overlaps(self, other: "Window") -> bool:
        """Whether any moment lies in both."""
        return self.start <= other.end and other.start <= self.end


def rfc3339(moment: datetime) -> str:
    """The moment as everything of ours writes it: UTC, ``Z``, microseconds where there are any."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
