import pytest

from deploy.testbed import ground
from deploy.testbed.errors import MissingError


@pytest.fixture
def packages() -> None:
    """Skips where the Debian packages that a shop stands on are absent, and says which."""
    try:
        ground.check_packages()
    except MissingError as missing:
        pytest.skip(str(missing))
