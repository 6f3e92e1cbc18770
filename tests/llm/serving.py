import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

import uvicorn

from service.llm.fake_server import FakeServer


@contextmanager
def served(fake: FakeServer) -> Generator[str]:
    """The fake server on a free port of this machine, in a thread, for as long as the block lasts; its address."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        config = uvicorn.Config(fake.app(), log_level="critical", lifespan="off", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        _wait_until_up(server)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            server.force_exit = True
            thread.join(timeout=10)


def _wait_until_up(server: uvicorn.Server, limit_s: float = 10.0) -> None:
    until = time.monotonic() + limit_s
    while not server.started:
        assert time.monotonic() < until, "the fake server did not start"
        time.sleep(0.005)
