"""Programs that tests need and that `make test` installs only where it may."""

import pytest

from deploy.testbed.errors import MissingError
from deploy.testbed.processes import program


def installed(name: str, package: str) -> str:
    """Where the program lies. Skips the test where it is missing, with the Debian package that has it."""
    try:
        return program(name, package)
    except MissingError as missing:
        pytest.skip(str(missing))
