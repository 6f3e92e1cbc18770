"""How long whoever asks will still wait: the view says it once, and every call and every sample below it asks for what
fits into that, so that a short deadline costs a part of each signal and none of them whole.
"""

import contextlib
import math
import time
from collections.abc import Callable, Generator
from contextvars import ContextVar

_LEFT_S: ContextVar[Callable[[], float]] = ContextVar("left_s", default=lambda: math.inf)


@contextlib.contextmanager
def patience(seconds: float, clock: Callable[[], float] = time.monotonic) -> Generator[None]:
    """What is asked within, also by tasks that begin there, has so long."""
    ends_at_s = clock() + seconds
    token = _LEFT_S.set(lambda: ends_at_s - clock())
    try:
        yield
    finally:
        _LEFT_S.reset(token)


def left_s() -> float:
    """How long is left; without end where nobody said."""
    return max(0.0, _LEFT_S.get()())
