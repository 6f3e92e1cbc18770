import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Protocol


class Part(Protocol):
    """What runs in a process until it is told to stop."""

    async def run(self, stopping: asyncio.Event) -> None: ...


@asynccontextmanager
async def at_work(*parts: Part) -> AsyncGenerator[None]:
    """They are at work until the block is left."""
    stopping = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for part in parts:
            group.create_task(part.run(stopping))
        try:
            yield
        finally:
            stopping.set()
