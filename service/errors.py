"""What can go wrong, named by whose fault it is.

HypocenterError
├── CallerError      the one who asked: a bad request, a case that cannot be read, a setting that does not exist
│   ├── CaseError    a case directory that cannot be read as case/1
│   └── SettingsError
├── BackendError     a telemetry source: hung, lying, unreachable; it costs its evidence, never the incident
├── ModelError       the model server: unreachable, too slow, answering nonsense
└── StoreError       our own incident store cannot be written or read

A malformed move of a model is not an error but data: see `service.domain.move.Malformed`.
The message of each is one printable line, whoever wrote what it repeats: what was wrong, where, what would be right.
"""

from service.text import printable


class HypocenterError(Exception):
    """Root of everything that hypocenter raises on purpose."""

    def __init__(self, message: str = "") -> None:
        super().__init__(printable(message))


class CallerError(HypocenterError):
    """The one who asked is to blame; exit code 2, or a 4xx."""


class CaseError(CallerError):
    """A case directory cannot be read as case/1."""


class SettingsError(CallerError):
    """A setting is unknown or has a value that cannot be meant."""


class BackendError(HypocenterError):
    """A telemetry source did not answer, or not with what it promised. ``retry_after_s``: how long it wants to be left
    alone, 0 where it does not say.
    """

    def __init__(self, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ModelError(HypocenterError):
    """The model server did not answer, or not with what it promised."""


class StoreError(HypocenterError):
    """The incident store cannot be written or read."""
