import threading
from collections.abc import Generator
from contextlib import contextmanager

from service.stores.embedded.refusals import FullError


class Room:
    """How many bytes may be on their way at once, all requests together. For any thread."""

    def __init__(self, most_bytes: int, of: str = "telemetry") -> None:
        self.most_bytes = most_bytes
        self.of = of
        self.used = 0
        self._lock = threading.Lock()

    @contextmanager
    def hold(self) -> "Generator[Hold]":
        """A place for one request, that grows with it and is given back in the end."""
        held = Hold(self)
        try:
            yield held
        finally:
            self.change(-held.size)

    def change(self, size: int) -> None:
        """Take more, or give back. Raises `FullError` if there is no room; nothing is taken then."""
        with self._lock:
            if size > 0 and self.used + size > self.most_bytes:
                raise FullError(f"{self.used} bytes of {self.of} are being taken in already")
            self.used += size


class Hold:
    """What one request takes up."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self.size = 0

    def grow(self, size: int) -> None:
        """It takes up so much more. Raises `FullError`."""
        self._room.change(size)
        self.size += size
