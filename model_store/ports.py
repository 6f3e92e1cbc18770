"""TCP ports of this machine that are held while a server uses them, or while it matters that none does."""

import socket
from collections.abc import Generator
from contextlib import ExitStack, contextmanager


@contextmanager
def held_ports(count: int) -> Generator[list[int]]:
    """So many distinct ports of 127.0.0.1, which no other process is assigned until the block is left.

    A connection to one is refused as long as no server listens on it. A server may, as often as it is started, if it
    sets SO_REUSEADDR, as servers do: the block has to last longer than the last of them. Raises `OSError` if no port
    or no file descriptor is left. Holds on Linux only.
    """
    with ExitStack() as stack:
        holders = [stack.enter_context(socket.socket()) for _ in range(count)]
        for holder in holders:
            # Two sockets may be bound to one port if both set this and neither listens; then one of them may listen.
            # The kernel, when it chooses a port, whether for a bind or for a connection, passes over every bound one.
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            holder.bind(("127.0.0.1", 0))
        yield [holder.getsockname()[1] for holder in holders]
