import asyncio
from collections.abc import Generator
from contextlib import contextmanager


class Bell:
    """Wakes who waits on a topic in this process. Other processes are not heard: ``poll_s`` bounds what that costs."""

    def __init__(self, poll_s: float) -> None:
        self._poll_s = poll_s
        self._watches: dict[str, set[BellWatch]] = {}

    def ring(self, *topics: str) -> None:
        """Say that these topics changed. Call it on the event loop, after the change is there to be read."""
        for topic in topics:
            for watch in self._watches.get(topic, ()):
                watch.rung.set()

    def ring_all(self) -> None:
        """Say that anything may have changed."""
        self.ring(*self._watches)

    @contextmanager
    def watch(self, topic: str) -> "Generator[BellWatch]":
        """A watch on the topic, for as long as the context lasts."""
        watch = BellWatch(self._poll_s)
        watches = self._watches.setdefault(topic, set())
        watches.add(watch)
        try:
            yield watch
        finally:
            watches.discard(watch)
            if not watches:
                self._watches.pop(topic, None)


class BellWatch:
    """One waiter's view of a topic."""

    def __init__(self, poll_s: float) -> None:
        self.rung = asyncio.Event()
        self._poll_s = poll_s

    async def next(self, timeout_s: float) -> None:
        """Return after a ring since the last call, or after the shorter of ``timeout_s`` and the polling period."""
        try:
            async with asyncio.timeout(min(timeout_s, self._poll_s)):
                await self.rung.wait()
        except TimeoutError:
            return
        finally:
            self.rung.clear()
