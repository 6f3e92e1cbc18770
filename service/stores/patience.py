"""How long whoever asks will still wait: the view says it once, and every call and every sample below it asks for what
fits into that, so that a short deadline costs a part of each signal and none of them whole.
"""

import contextlib
import math
import time
from collections.abc import Generator
from contextvars import ContextVar

_ENDS_AT_S: ContextVar[float] = ContextVar("ends_at_s", default=math.inf)


@contextlib.contextmanager
def patience(seconds: float) -> Generator[None]:
    """What is asked within, also by tasks that begin there, has so long."""
    token = _ENDS_AT_S.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _ENDS_AT_S.reset(token)


def left_s() -> float:
    """How long is left; without end where nobody said."""
    return max(0.0, _ENDS_AT_S.get() - time.monotonic())
