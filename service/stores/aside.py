"""Where large answers are read: beside the event loop, whose limits are meant for waiting and would count this as well.

One at a time: threads that compute take turns with the loop, and with each of them it has to wait longer for its own.
"""

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

T = TypeVar("T")

SMALL: Final = 16_384
"""Bytes that are read at once: to hand them over would take longer."""


async def aside(work: Callable[[], T]) -> T:
    """What the work makes. Where nobody waits for it any more when its turn comes, it is not begun."""
    return await asyncio.get_running_loop().run_in_executor(_reader(), work)


async def read(work: Callable[[bytes], T], body: bytes) -> T:
    """What the work makes of a body."""
    return work(body) if len(body) <= SMALL else await aside(functools.partial(work, body))


@functools.cache
def _reader() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "reader")
