import functools
import os
from collections.abc import AsyncIterator, Generator
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import HealthCheck, settings

from model_store.simulate.generate import SyntheticCase, generate
from service.domain.fault import Fault
from service.jobs.sqlite import SqliteStore
from tests.redis_servers import RealServer
from tests.waiting import LIMIT_S

# The machine is shared: how long an example takes says nothing. Tests try the same examples every time; only
# `make test-random` looks for new ones, with --hypothesis-profile=random.
SLOW = [HealthCheck.too_slow]
settings.register_profile("repeatable", deadline=None, suppress_health_check=SLOW, derandomize=True, database=None)
settings.register_profile("random", deadline=None, suppress_health_check=SLOW, print_blob=True)
settings.load_profile("repeatable")

pytest_plugins = ["tests.leftovers", "tests.skips"]

REPOSITORY = Path(__file__).resolve().parent.parent


LONGEST = ("tests/train/test_smoke.py", "tests/service_process/test_serve.py", "tests/drills/test_kills.py")
"""Files that begin first, so that no process waits for them at the end."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(
        key=lambda item: LONGEST.index(file) if (file := item.nodeid.partition("::")[0]) in LONGEST else len(LONGEST)
    )


class CaseFactory(Protocol):
    """Makes a synthetic case; the same arguments give the same one."""

    def __call__(
        self,
        seed: int = 1,
        *,
        services: int = 8,
        traces: int = 60,
        fault: Fault | None = None,
        healthy: bool = False,
    ) -> SyntheticCase: ...


@pytest.fixture(scope="session")
def synthetic_case() -> CaseFactory:
    """A factory of small synthetic incidents, each made once per session."""

    @functools.cache
    def make(
        seed: int = 1, *, services: int = 8, traces: int = 60, fault: Fault | None = None, healthy: bool = False
    ) -> SyntheticCase:
        return generate(seed, services=services, traces=traces, fault=fault, healthy=healthy)

    return make


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """An incident store of the test's own."""
    opened = SqliteStore(tmp_path / "store.sqlite", timeout_s=LIMIT_S)
    yield opened
    await opened.close()


@pytest.fixture
def case_dir(synthetic_case: CaseFactory, tmp_path: Path) -> Path:
    """One synthetic incident as a case directory that the test may spoil."""
    directory = tmp_path / "case"
    synthetic_case(fault=Fault.NETWORK_DELAY).write(directory)
    return directory


@pytest.fixture(scope="session")
def cases_root() -> Path:
    """Where the recorded development cases lie (HYPOCENTER_CASES, else beside the repository); skips without them."""
    root = Path(os.environ.get("HYPOCENTER_CASES", REPOSITORY.parent / "shared" / "cases"))
    if not root.is_dir():
        pytest.skip(f"no recorded development cases at {root}: set HYPOCENTER_CASES")
    return root


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RealServer]:
    """A real Redis that flushes every write; tests share it, each with a prefix of its own."""
    server = RealServer("redis", tmp_path_factory.mktemp("redis"))
    yield server
    server.kill()


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RealServer]:
    """The same, a real Valkey."""
    server = RealServer("valkey", tmp_path_factory.mktemp("valkey"))
    yield server
    server.kill()
