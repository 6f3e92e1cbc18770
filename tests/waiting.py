"""Waiting for what another task, thread or process does, where no event tells of it.

The limit is only there so that nothing hangs: it says nothing about how fast anything should be.
"""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable

LIMIT_S = 300.0
"""Below the timeout of a test, so that whoever waits in vain can say for what."""

POLL_S = 0.01

Show = Callable[[], object]
"""Describes what there is instead of what is waited for; called only when the limit is up."""


def _nothing() -> str:
    return "it did not become true"


async def moment() -> None:
    """Let some time pass, for whoever does the same again and again until somebody else ends it."""
    await asyncio.sleep(POLL_S)


async def turns(count: int = 50) -> None:
    """Let the event loop do all that is due, also what follows from it."""
    for _ in range(count):
        await asyncio.sleep(0)


async def until(
    condition: Callable[[], bool | Awaitable[bool]], show: Show = _nothing, *, limit_s: float = LIMIT_S
) -> None:
    """Wait until the condition holds; the event loop goes on meanwhile."""
    try:
        async with asyncio.timeout(limit_s):
            while not await _holds(condition):
                await moment()
    except TimeoutError:
        raise AssertionError(f"after {limit_s:g} s: {show()}") from None


async def _holds(condition: Callable[[], bool | Awaitable[bool]]) -> bool:
    holds = condition()
    return await holds if inspect.isawaitable(holds) else holds


def wait_until(condition: Callable[[], bool], show: Show = _nothing, *, limit_s: float = LIMIT_S) -> None:
    """Wait until the condition holds; this thread does nothing else."""
    ends_at = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < ends_at, f"after {limit_s:g} s: {show()}"
        time.sleep(POLL_S)
