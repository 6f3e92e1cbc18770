"""What one Loki gives at once, learned from its silence and its refusals.

Its parts hand over no message above 4 MiB (``grpc_server_max_recv_msg_size``), and some versions then never answer: a
thousand usual lines with their structured metadata are half of that. Other limits it names when it refuses.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, TypeVar

from service.errors import BackendError
from service.stores.log_sample import Stretch

T = TypeVar("T")

USUAL_LINES: Final = 1_000
FEWEST_LINES: Final = 60
"""Lines so long that fewer do not fit are above every Loki's own limit of a line (256 kB)."""
SILENCE: Final = 0.3
"""The part of the time that is left after which a page is taken for one that never comes, and half of it asked for."""
SHORTEST: Final = timedelta(minutes=1)
MOST_PIECES: Final = 24
FORGOTTEN_S: Final = 600.0
"""After so long what was learned of sizes is tried again: lines may have become shorter, a limit wider."""

_ENTRIES = re.compile(r"max entries limit.*\(\d+ > (\d+)\)")
_LENGTH = re.compile(r"(?:time range|query length) exceeds the limit.*limit: ([\dwdhms.]+)\)")
_BYTES = re.compile(r"would read too many bytes")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|[wdhms])")
_UNITS_US = {"w": 604_800e6, "d": 86_400e6, "h": 3_600e6, "m": 60e6, "s": 1e6, "ms": 1e3}


@dataclass(slots=True)
class LokiLimits:
    """How many lines of how long a stretch may be asked for. Until a page came, one at a time is asked for, so that a
    size that never comes is waited for once.
    """

    lines: int = USUAL_LINES
    longest_us: int = 0
    """0 where nothing is known to be too long."""
    clock: Callable[[], float] = time.monotonic
    _known: bool = False
    _learned_at: float = 0.0
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _loop: asyncio.AbstractEventLoop | None = None

    def pieces(self, stretch: Stretch) -> list[Stretch]:
        """The stretch, in as many pieces as it has to be asked for."""
        if not self.longest_us or stretch.length_us <= self.longest_us:
            return [stretch]
        return stretch.cut(-(-stretch.length_us // self.longest_us))

    async def page(self, ask: Callable[[int], Awaitable[T]], wanted: int, patience_s: float) -> T:
        """What ``ask`` answers for as many lines as can be had. Raises `BackendError`."""
        ends_at_s = self._now_s() + patience_s
        while True:
            if not self._known:
                async with self._turn_in(asyncio.get_running_loop()):
                    answer = None if self._known else await self._attempt(ask, wanted, ends_at_s)
            else:
                answer = await self._attempt(ask, wanted, ends_at_s)
            if answer is not None:
                return answer

    async def _attempt(self, ask: Callable[[int], Awaitable[T]], wanted: int, ends_at_s: float) -> T | None:
        """One question; None where it was for too many lines."""
        if self.lines < USUAL_LINES and self.clock() - self._learned_at > FORGOTTEN_S:
            self._shorten(USUAL_LINES)
        lines = min(wanted, self.lines)
        silence_s = None if lines <= FEWEST_LINES else SILENCE * (ends_at_s - self._now_s())
        try:
            async with asyncio.timeout(silence_s):
                answer = await ask(lines)
        except TimeoutError:
            self._shorten(min(self.lines, max(FEWEST_LINES, lines // 2)))
            return None
        except BackendError as error:
            if (allowed := _ENTRIES.search(str(error))) is None or int(allowed[1]) >= lines:
                raise
            self._shorten(max(1, int(allowed[1])))
            return None
        self._known = True
        return answer

    def _shorten(self, lines: int) -> None:
        self.lines, self._known, self._learned_at = lines, False, self.clock()

    def learn(self, error: BackendError, stretch: Stretch) -> bool:
        """Whether it refused a stretch for its length, so that shorter pieces are worth a try."""
        text = str(error)
        longest_us = 0
        if (named := _LENGTH.search(text)) is not None:
            parts = _DURATION.findall(named[1])
            longest_us = int(sum(float(number) * _UNITS_US[unit] for number, unit in parts))
        elif _BYTES.search(text):
            longest_us = stretch.length_us // 2
        if not SHORTEST / timedelta(microseconds=1) <= longest_us < stretch.length_us:
            return False
        self.longest_us = longest_us
        return True

    def _turn_in(self, loop: asyncio.AbstractEventLoop) -> asyncio.Lock:
        if self._loop is not loop:  # a lock belongs to one
            self._loop, self._turn = loop, asyncio.Lock()
        return self._turn

    @staticmethod
    def _now_s() -> float:
        return asyncio.get_running_loop().time()
