import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager

import uvicorn

from service.llm.fake_server import FakeServer
from tests.waiting import LIMIT_S, wait_until


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
        wait_until(lambda: server.started)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            server.force_exit = True
            thread.join(LIMIT_S)
