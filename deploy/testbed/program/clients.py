"""What a service reaches the others with: HTTP over all replicas of a callee, a PostgreSQL pool, Redis."""

import asyncio
import itertools
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import LiteralString, cast

import httpx
import psycopg
from psycopg_pool import AsyncConnectionPool
from redis.asyncio import Redis

from deploy.testbed.program.telemetry import CALL_FAILURES, CALLED
from deploy.testbed.program.wiring import Wiring

ROWS = 40
"""Rows of every table; ids from 1."""

STORE_LIMIT_S = 1.5


class CalleeError(RuntimeError):
    """A callee or a store failed us; ``status`` is what we answer then."""

    def __init__(self, text: str, status: int = 502) -> None:
        super().__init__(text)
        self.status = status


@dataclass(slots=True)
class Callees:
    """Calls to other services, each next one to the next replica."""

    wiring: Wiring
    service: str
    http: httpx.AsyncClient = field(default_factory=lambda: httpx.AsyncClient(limits=httpx.Limits(max_connections=200)))
    _turns: dict[str, Iterator[int]] = field(default_factory=dict[str, Iterator[int]])

    def rewire(self, wiring: Wiring) -> None:
        """From now on these are the replicas of its callees."""
        self.wiring = wiring
        self._turns.clear()

    def turn(self, callee: str) -> int:
        """The port of the replica whose turn it is."""
        return next(self._turns.setdefault(callee, itertools.cycle(self.wiring.calls[self.service][callee])))

    async def ask(self, target: str, timeout_s: float) -> dict[str, int]:
        """The answer of ``service/operation``. Raises `CalleeError`."""
        callee, _, operation = target.partition("/")
        begun = time.perf_counter()
        try:
            answer = await self.http.get(f"http://127.0.0.1:{self.turn(callee)}/{operation}", timeout=timeout_s)
        except httpx.TimeoutException:
            CALL_FAILURES.labels(callee).inc()
            raise CalleeError(f"{target}: no answer within {timeout_s * 1000:.0f} ms", 504) from None
        except httpx.HTTPError as error:
            CALL_FAILURES.labels(callee).inc()
            raise CalleeError(f"{target}: {type(error).__name__}: {error or 'connection lost'}") from None
        finally:
            CALLED.labels(callee).observe(time.perf_counter() - begun)
        if answer.status_code != 200:
            CALL_FAILURES.labels(callee).inc()
            raise CalleeError(f"{target}: status {answer.status_code}")
        return answer.json()


@dataclass(slots=True)
class Database:
    """A pool of connections to the shop's PostgreSQL; opened only by services that read or write."""

    port: int
    service: str
    size: int
    _pool: AsyncConnectionPool | None = None

    @property
    def address(self) -> str:
        """How to connect."""
        return (
            f"host=127.0.0.1 port={self.port} dbname=shop user=shop application_name={self.service} "
            "sslmode=disable gssencmode=disable connect_timeout=2 options='-c statement_timeout=1500'"
        )

    async def open(self) -> None:
        """Fills the pool. Raises if the server is not there within 20 s."""
        self._pool = AsyncConnectionPool(
            self.address, min_size=self.size, max_size=self.size, timeout=STORE_LIMIT_S, open=False
        )
        await self._pool.open(wait=True, timeout=20)

    async def close(self) -> None:
        """Lets all connections go."""
        if self._pool is not None:
            await self._pool.close(timeout=2)

    async def read(self, table: str) -> None:
        """Reads a row. Raises `CalleeError`."""
        await self._run(cast("LiteralString", f"SELECT value FROM {table} WHERE id = %s"), table)  # noqa: S608

    async def write(self, table: str) -> None:
        """Changes a row. Raises `CalleeError`."""
        await self._run(cast("LiteralString", f"UPDATE {table} SET value = value + 1 WHERE id = %s"), table)  # noqa: S608

    async def _run(self, query: LiteralString, table: str) -> None:
        assert self._pool is not None, "the shop file says that this service has a database"
        try:
            async with asyncio.timeout(2 * STORE_LIMIT_S), self._pool.connection() as connection:
                await connection.execute(query, (random.randint(1, ROWS),))
        except TimeoutError:
            raise CalleeError(f"query on {table}: no answer within {2 * STORE_LIMIT_S:.0f} s", 504) from None
        except psycopg.Error as error:  # a pool that runs dry is one too
            text = str(error).partition("\n")[0]
            raise CalleeError(f"query on {table}: {type(error).__name__}: {text}", 503) from None

    def statistics(self) -> tuple[int, int]:
        """Connections lent out, and requests that wait for one."""
        if self._pool is None:
            return 0, 0
        told = self._pool.get_stats()
        return told.get("pool_size", 0) - told.get("pool_available", 0), told.get("requests_waiting", 0)

    @asynccontextmanager
    async def locked(self, table: str) -> AsyncIterator[None]:
        """Holds a lock on every row of a table, in a connection of its own."""
        async with await psycopg.AsyncConnection.connect(self.address) as connection:
            await connection.execute(f"SELECT id FROM {table} FOR UPDATE".encode())  # noqa: S608
            try:
                yield
            finally:
                await connection.rollback()

    @asynccontextmanager
    async def taken(self, count: int) -> AsyncIterator[None]:
        """Takes connections from the pool and does nothing with them."""
        assert self._pool is not None
        taken = [await self._pool.getconn(timeout=10) for _ in range(min(count, self.size))]
        try:
            yield
        finally:
            for connection in taken:
                await self._pool.putconn(connection)

    async def resize(self, size: int | None) -> None:
        """Another size of the pool, or the usual one."""
        assert self._pool is not None
        await self._pool.resize(size or self.size, size or self.size)


def redis_client(port: int) -> Redis:
    """A client that does not wait for ever."""
    return Redis(host="127.0.0.1", port=port, socket_timeout=STORE_LIMIT_S, socket_connect_timeout=1)
