from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.redis_servers import DURABLE, RealServer

MakeServer = Callable[..., RealServer]


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[MakeServer]:
    """Starts servers of a test's own."""
    servers: list[RealServer] = []

    def make(*options: str, kind: str = "redis") -> RealServer:
        directory = tmp_path / f"server{len(servers)}"
        directory.mkdir()
        servers.append(RealServer(kind, directory, (*DURABLE, *options)))
        return servers[-1]

    yield make
    for server in servers:
        server.resume()
        server.kill()


@pytest.fixture(params=["redis", "valkey"])
def server(request: pytest.FixtureRequest, make_server: MakeServer) -> RealServer:
    return make_server(kind=request.param)
