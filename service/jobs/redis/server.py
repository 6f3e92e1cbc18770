import asyncio
import json
import secrets
from collections.abc import Callable, Mapping
from enum import Enum
from functools import cache
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ReadOnlyError, RedisError, ResponseError

from service.errors import StoreError
from service.jobs.redis.address import Address
from service.jobs.redis.epoch import Epoch
from service.jobs.redis.trouble import in_words

_READS = "flags=no-writes"
_FREES = "flags=allow-oom"
_WRITES = ""


class Script(Enum):
    """What the server does for us in one step, nothing in between: the name of its file, whether it needs the functions
    that move things, and what it may do to a server that is full.
    """

    CONCERNED = ("concerned", False, _READS)
    READ = ("read", False, _READS)
    NOTE = ("note", False, _WRITES)
    PLACE = ("place", True, _WRITES)
    CLAIM = ("claim", True, _WRITES)
    LEASE = ("lease", True, _WRITES)
    CANCEL = ("cancel", True, _FREES)
    OUTBOX = ("outbox", True, _FREES)
    FORGET = ("forget", True, _FREES)

    @property
    def text(self) -> str:
        """The whole of it, which answers with the server's mark and count beside its own answer."""
        name, moves, flags = self.value
        return "\n".join(
            (
                f"#!lua {flags}".strip(),
                _lua("common"),
                *((_lua("jobs"),) if moves else ()),
                f"local function work()\n{_lua(name)}\nend",
                "" if flags == _READS else "redis.call('SET', P .. 'origin', ARGV[2], 'NX')",
                "local answer = work()",
                "return {redis.call('GET', P .. 'origin') or '', redis.call('GET', P .. 'seq') or '0', answer}",
            )
        )


@cache
def _lua(name: str) -> str:
    return (files("service.jobs.redis") / "lua" / f"{name}.lua").read_text(encoding="utf-8")


class Server:
    """One Redis or Valkey. Every call ends within ``limit_s`` and raises `StoreError` if it could not be done; what was
    not heard of within the limit may have happened.
    """

    def __init__(self, address: Address, prefix: str, limit_s: float, lost: Callable[[], None]) -> None:
        self.shown = address.shown
        self.prefix = prefix
        self.epoch = Epoch(self.shown, lost)
        self.client = Redis(connection_pool=address.pool(limit_s))
        self._limit_s = limit_s
        self._origin = secrets.token_hex(8)
        self._scripts = {script: self.client.register_script(script.text) for script in Script}

    async def run(self, script: Script, **arguments: object) -> Any:
        """Run a script; its answer, with None for what is not there."""
        told = json.dumps(arguments, ensure_ascii=False).encode("utf-8", "replace")
        asked = self.epoch.mark()
        reply: Any = await self._within(self._scripts[script](args=[self.prefix, self._origin, told]))
        origin, seq, *answer = reply
        self.epoch.compare(asked, origin, int(seq))
        return answer[0] if answer else None

    async def info(self) -> Mapping[str, Any]:
        """What it says of itself."""
        client: Any = self.client  # its stubs are partial
        return await self._within(client.info("everything"))

    async def config(self) -> Mapping[str, str] | None:
        """What it is configured as; None where we may not know."""
        client: Any = self.client
        try:
            async with asyncio.timeout(self._limit_s):
                return await client.config_get("appendfsync", "maxmemory-policy")
        except ResponseError:
            return None
        except (RedisError, OSError) as error:
            raise self.blamed(error) from None

    def blamed(self, error: RedisError | OSError) -> StoreError:
        """The error as whoever has to mend it can read it."""
        return StoreError(f"store {self.shown}: {in_words(error, self._limit_s, self.prefix)}")

    async def close(self) -> None:
        """Let go of all connections."""
        await self.client.aclose()
        await self.client.connection_pool.disconnect()

    async def _within(self, asking: Any) -> Any:
        try:
            async with asyncio.timeout(self._limit_s):
                return await asking
        except ReadOnlyError as error:  # a failover: the name may lead to another server by now
            await self.client.connection_pool.disconnect(inuse_connections=False)
            raise self.blamed(error) from None
        except (RedisError, OSError) as error:
            raise self.blamed(error) from None
