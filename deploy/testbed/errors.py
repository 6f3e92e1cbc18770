"""What can go wrong with the testbed; the message of each is one line: what was wrong, where, what would be right.

TestbedError
├── ShopError        a shop file or plan that cannot be meant
├── MissingError     a Debian package that is not there
├── StartError       a process that did not become ready, or ended at once
└── RejectedError    a recording that is worth nothing: dirty baseline, no alert
"""

from service.errors import CallerError


class TestbedError(CallerError):
    """Root of everything that the testbed raises on purpose."""

    __test__ = False


class ShopError(TestbedError):
    """A shop file or a plan says something that cannot be meant."""


class MissingError(TestbedError):
    """A program that the testbed needs is not installed."""


class StartError(TestbedError):
    """A process did not become ready."""


class RejectedError(TestbedError):
    """A recording that would mislead is thrown away."""
