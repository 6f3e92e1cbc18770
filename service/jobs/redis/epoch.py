from collections.abc import Callable
from dataclasses import dataclass

from service.telemetry import logger


@dataclass(frozen=True, slots=True)
class Mark:
    """What was known of the server when it was asked: who it was, and up to what it had counted. ``era`` counts the
    times that it turned out to be behind.
    """

    era: int = 0
    origin: str = ""
    seq: int = 0


class Epoch:
    """Notices when the server is not the one that we wrote to any more: an empty one, or one that is behind.

    A server bears a mark from the first write on, and counts all that is opened and queued. An answer that was asked
    for when a number was known cannot be below it, in whatever order answers come in.
    """

    def __init__(self, shown: str, lost: Callable[[], None] = lambda: None) -> None:
        self._shown = shown
        self._tell = lost
        self._now = Mark()
        self.last_loss = ""

    @property
    def losses(self) -> int:
        """How often it was behind."""
        return self._now.era

    def mark(self) -> Mark:
        """What is known now, before asking."""
        return self._now

    def compare(self, asked: Mark, origin: str, seq: int) -> None:
        """What an answer says of the server, beside what was known when it was asked for."""
        if asked.era != self._now.era:
            return
        if asked.origin and origin != asked.origin:
            self._lost("it is empty" if not origin else "it is another one", origin, seq)
        elif seq < asked.seq:
            self._lost(f"it went back from {asked.seq} to {seq}", origin, seq)
        else:
            self._now = Mark(asked.era, origin, max(seq, self._now.seq))

    def _lost(self, what: str, origin: str, seq: int) -> None:
        self._now = Mark(self._now.era + 1, origin, seq)
        self.last_loss = what
        self._tell()
        logger("store").error(
            "store %s is not the server that was written to: %s. What was accepted in between is not there; what still"
            " fires comes back with Alertmanager's next notification",
            self._shown,
            what,
        )
