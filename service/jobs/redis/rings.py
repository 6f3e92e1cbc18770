import asyncio
import contextlib
from typing import Any

from redis.exceptions import RedisError

from service.errors import StoreError
from service.jobs.bell import Bell
from service.jobs.redis.server import Server
from service.telemetry import logger

SILENCE_S = 5.0
"""After so long without a message the server is asked for a sign of life; after as long again it is called anew."""

AGAIN_S = 0.5


class Rings:
    """Carries the rings of all processes to the bell of this one. What is missed is seen late: the bell's watches look
    for themselves now and then.
    """

    def __init__(self, server: Server, bell: Bell) -> None:
        self._server = server
        self._bell = bell
        self._listening: asyncio.Task[None] | None = None

    def listen(self) -> None:
        """Begin, unless it has begun."""
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen())

    async def close(self) -> None:
        """End it."""
        if self._listening is not None:
            self._listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listening

    async def _listen(self) -> None:
        well = True
        while True:
            client: Any = self._server.client  # its stubs are partial
            try:
                async with client.pubsub() as channel:
                    await channel.subscribe(f"{self._server.prefix}rings")
                    self._bell.ring_all()
                    well = True
                    await self._hear(channel)
            except (RedisError, OSError, StoreError) as error:
                if well:
                    told = error if isinstance(error, StoreError) else self._server.blamed(error)
                    logger("store").warning("changes of others are seen late: %s", told)
                well = False
            await asyncio.sleep(AGAIN_S)

    async def _hear(self, channel: Any) -> None:
        """Ring for every message; return when the server is silent."""
        asked = False
        while True:
            message = await channel.get_message(timeout=SILENCE_S)
            if message is None and asked:
                return
            if message is None:
                await channel.ping()
            elif message["type"] == "message":
                self._bell.ring(message["data"])
            asked = message is None
