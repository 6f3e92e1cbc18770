"""What a Prometheus answers with: an envelope, and series or single values in it."""

from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, FiniteFloat

T = TypeVar("T")

Samples = list[tuple[float, float]]
"""Seconds since the epoch and values, which come as text: "NaN" and "+Inf" among them."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Envelope(_Part, Generic[T]):
    """What every answer has; ``warnings`` may come with success."""

    status: str
    data: T | None = None
    error: str = ""
    warnings: list[str] = []

    @property
    def content(self) -> T:
        """What is in it, of one that is no error."""
        assert self.data is not None
        return self.data


class Series(_Part):
    """One series of a range."""

    metric: dict[str, str]
    values: Samples = []


class Matrix(_Part):
    """The answer to a range query. A series of histograms has no values: nothing is read of it."""

    result: list[Series]


class Instant(_Part):
    """One value of a moment."""

    metric: dict[str, str] = {}
    value: tuple[float, FiniteFloat]
    """It comes as text, as in a series."""


class Vector(_Part):
    """The answer to a query of one moment."""

    result: list[Instant]
