"""An event loop whose clock leaps to the next moment for which anybody waits, once nothing else is to be done: whoever
waits in vain does so at once, on every machine. What runs in threads or comes over sockets is not waited for.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Leaping(selectors.DefaultSelector):
    """Tells of what is there and never waits, but counts for how long it would have."""

    leapt_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is not None:
            self.leapt_s += max(0.0, timeout)
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, selector: _Leaping) -> None:
        super().__init__(selector)
        self._leaping = selector

    def time(self) -> float:
        return self._leaping.leapt_s


def run_leaping(work: Coroutine[Any, Any, T]) -> T:
    """What the work returns, run by such a loop."""
    with asyncio.Runner(loop_factory=lambda: _Loop(_Leaping())) as runner:
        return runner.run(work)
