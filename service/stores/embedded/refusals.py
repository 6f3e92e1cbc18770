"""Why telemetry is not taken. What the disk refuses is a `service.errors.StoreError`."""

from service.errors import CallerError, HypocenterError


class MalformedError(CallerError):
    """The body is not what it says it is; sent again it would be refused again."""


class OversizeError(CallerError):
    """The body is longer than the limit, or would be once it is unpacked."""


class FullError(HypocenterError):
    """Too much is being taken in already; sent again a little later it will be taken."""
