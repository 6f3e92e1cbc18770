import socket
import struct
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager

import pytest

from model_store.ports import held_ports
from tests.waiting import LIMIT_S

PATIENCE_S = LIMIT_S
MANY = 300
BINDS, CONNECTIONS = 10_000, 1_000
"""So many that, were ports not held, the kernel would choose one of `MANY` dozens of times."""
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: closing resets the connection, and its port is free at once."""

SERVER = """
import socket, sys, time
with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as server:
    print("listens", flush=True)
    connection, _ = server.accept()
    connection.sendall(b"hello")
    time.sleep(1000)
"""


@contextmanager
def listening(port: int) -> Generator[None]:
    """A server in a process of its own; it is killed at the end."""
    command = [sys.executable, "-c", SERVER, str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == "listens\n"
            yield
        finally:
            server.kill()
            server.wait(PATIENCE_S)


def connection_to(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)


def test_held_ports_are_distinct() -> None:
    with held_ports(MANY) as ports:
        assert len(set(ports)) == MANY


def test_a_connection_to_a_held_port_is_refused_while_no_server_listens() -> None:
    with held_ports(1) as (port,), pytest.raises(ConnectionRefusedError):
        connection_to(port)


def test_a_server_may_listen_on_a_held_port_again_after_it_was_killed() -> None:
    with held_ports(1) as (port,), ExitStack() as connections:
        for _ in range(2):
            with listening(port):
                connection = connections.enter_context(connection_to(port))
                assert connection.recv(5) == b"hello"
            with pytest.raises(ConnectionRefusedError):
                connection_to(port)


@pytest.mark.parametrize("reuse", [False, True], ids=["plain", "with SO_REUSEADDR"])
def test_a_bind_that_takes_any_port_never_gets_a_held_one(reuse: bool) -> None:
    chosen: set[int] = set()
    with held_ports(MANY) as ports:
        for _ in range(BINDS):
            with socket.socket() as other:
                other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
                other.bind(("127.0.0.1", 0))
                chosen.add(other.getsockname()[1])
    assert chosen.isdisjoint(ports)


def test_an_outgoing_connection_never_starts_from_a_held_port() -> None:
    chosen: set[int] = set()
    with socket.create_server(("127.0.0.1", 0)) as server, held_ports(MANY) as ports:
        for _ in range(CONNECTIONS):
            with connection_to(server.getsockname()[1]) as outgoing:
                chosen.add(outgoing.getsockname()[1])
                outgoing.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                server.accept()[0].close()
    assert chosen.isdisjoint(ports)
