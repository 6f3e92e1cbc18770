"""What is wrong with a process: every fault that is made inside it, begun and ended from outside."""

import asyncio
import gc
import os
import random
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal[
    "", "cpu", "memory", "disk", "slow", "error", "wrong-result", "lock-row", "lock-pool", "timeout", "pool-size",
    "repeat",
]  # fmt: skip


class Ailment(BaseModel):
    """A fault inside a process. ``operation`` "" means all; ``share`` of the requests are hit.

    ``amount`` is: cpu threads that burn; memory thousands of objects that a request leaks; disk and slow
    milliseconds a request; lock-pool connections taken; timeout milliseconds; pool-size connections; repeat calls more.
    ``text`` is what the exception says (error) or the table whose rows are locked (lock-row); ``callee`` whom the
    time limit concerns; ``early`` returns before the callees are asked (wrong-result).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Kind = ""
    operation: str = ""
    share: float = Field(default=1.0, gt=0, le=1)
    amount: float = Field(default=0, ge=0)
    text: str = ""
    callee: str = ""
    early: bool = True


class HandlerError(RuntimeError):
    """What a bug would raise."""


@dataclass(slots=True)
class Trouble:
    """The ailment of this process. ``lock_rows`` and ``take_connections`` are how it gets at the database."""

    lock_rows: Callable[[str], AbstractAsyncContextManager[None]]
    take_connections: Callable[[int], AbstractAsyncContextManager[None]]
    resize_pool: Callable[[int | None], Coroutine[Any, Any, None]]
    ailment: Ailment = field(default_factory=Ailment)
    _held: AsyncExitStack = field(default_factory=AsyncExitStack)
    _burning: threading.Event = field(default_factory=threading.Event)
    _leaked: list[dict[str, object]] = field(default_factory=list[dict[str, object]])
    _holding: "asyncio.Task[None] | None" = None

    async def begin(self, ailment: Ailment) -> None:
        """Makes it ill; whatever it had before is cured first."""
        await self.end()
        self.ailment = ailment
        if ailment.kind == "cpu":
            self._burning.set()
            for _ in range(int(ailment.amount) or 1):
                threading.Thread(target=self._burn, daemon=True).start()
        elif ailment.kind == "lock-row":
            self._holding = asyncio.create_task(self._hold(self.lock_rows(ailment.text)))
        elif ailment.kind == "lock-pool":
            self._holding = asyncio.create_task(self._hold(self.take_connections(int(ailment.amount))))
        elif ailment.kind == "pool-size":
            await self.resize_pool(int(ailment.amount))

    async def end(self) -> None:
        """Cures it."""
        ailment, self.ailment = self.ailment, Ailment()
        self._burning.clear()
        self._leaked.clear()
        if self._holding is not None:
            self._holding.cancel()
            await asyncio.wait([self._holding], timeout=5)
            self._holding = None
        if ailment.kind == "pool-size":
            await self.resize_pool(None)

    async def suffer(self, operation: str) -> None:
        """What a request goes through before its work begins. Raises `HandlerError`."""
        ailment = self.ailment
        if not self.hits(operation):
            return
        if ailment.kind == "slow":
            await asyncio.sleep(ailment.amount / 1000 * random.uniform(0.8, 1.2))
        elif ailment.kind == "disk":
            _write_through(ailment.amount / 1000)
        elif ailment.kind == "memory":
            self._leak(int(ailment.amount * 1000))
        elif ailment.kind == "error":
            raise HandlerError(ailment.text or "unexpected null in response mapping")

    def wrong(self, operation: str) -> bool:
        """Whether this request gets a wrong result."""
        return self.ailment.kind == "wrong-result" and self.hits(operation)

    def timeout_s(self, callee: str, usual_s: float) -> float:
        """The time limit of a call, as configured now."""
        ailment = self.ailment
        if ailment.kind == "timeout" and ailment.callee in ("", callee):
            return ailment.amount / 1000
        return usual_s

    def repeats(self, operation: str) -> int:
        """How often an operation does each of its steps again: a bad version asks once more for every row."""
        return int(self.ailment.amount) if self.ailment.kind == "repeat" and self.hits(operation) else 0

    def hits(self, operation: str) -> bool:
        """Whether a request of that operation is hit."""
        return self.ailment.operation in ("", operation) and random.random() < self.ailment.share

    def _burn(self) -> None:
        number = 1
        while self._burning.is_set():
            for _ in range(10_000):
                number = number * 1103515245 % 2147483647 + 1

    def _leak(self, objects: int) -> None:
        """Objects that nobody needs: the collector walks all of them, ever more slowly, as in any managed heap."""
        self._leaked.extend({"line": [number], "of": {"cache": "entry"}} for number in range(objects))
        gc.collect()

    async def _hold(self, grip: AbstractAsyncContextManager[None]) -> None:
        async with grip:
            await asyncio.Event().wait()


def _write_through(seconds: float) -> None:
    """Synchronous writes until the time is over; they block the whole process, as such writes do."""
    block = os.urandom(256 * 1024)
    until = time.monotonic() + seconds
    with tempfile.TemporaryFile() as file:
        while time.monotonic() < until:
            file.write(block)
            file.flush()
            os.fsync(file.fileno())
