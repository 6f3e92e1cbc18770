"""What a container platform would tell of each pod (cpu, memory, writes, restarts), and what the stores tell."""

import contextlib
import random
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import psutil
import psycopg
from redis import Redis
from redis.exceptions import RedisError

ASK_EVERY_S = 2.0
STOP_LIMIT_S = 10.0
STALE_S = 4.0
"""A store that has not answered for so long is told as down."""

_SAFE = "bcdfghjklmnpqrstvwxz2456789"


def pod_name(service: str, version: str) -> str:
    """A name as Kubernetes gives to pods of a Deployment: those of one version share its hash, no two are the same."""
    template = "".join(_SAFE[ord(digit) % len(_SAFE)] for digit in str(zlib.crc32(f"{service} {version}".encode())))
    return f"{service}-{template}-{''.join(random.choices(_SAFE, k=5))}"


@dataclass(slots=True)
class Pod:
    """Running totals of one pod over all its processes, those that ended too."""

    name: str
    service: str
    node: str
    restarts: int = 0
    cpu_s: float = 0
    written: int = 0
    resident: int = 0
    _seen: dict[int, tuple[float, int]] = field(default_factory=dict[int, tuple[float, int]])

    def look(self, family: list[psutil.Process]) -> None:
        """Adds what its processes used since the last look."""
        seen: dict[int, tuple[float, int]] = {}
        self.resident = 0
        for process in family:
            with contextlib.suppress(psutil.Error), process.oneshot():
                times, memory, io = process.cpu_times(), process.memory_info(), process.io_counters()
                seen[process.pid] = (times.user + times.system, io.write_bytes)
                self.resident += memory.rss
        for pid, (cpu_s, written) in seen.items():
            cpu_before, written_before = self._seen.get(pid, (0.0, 0))
            self.cpu_s += max(0.0, cpu_s - cpu_before)
            self.written += max(0, written - written_before)
        self._seen = seen

    def told(self) -> Iterator[str]:
        """Lines of the exposition format."""
        labels = f'{{service="{self.service}",pod="{self.name}",node="{self.node}"}}'
        yield f"container_cpu_usage_seconds_total{labels} {self.cpu_s}"
        yield f"container_memory_working_set_bytes{labels} {self.resident}"
        yield f"container_fs_writes_bytes_total{labels} {self.written}"
        yield f"kube_pod_container_status_restarts_total{labels} {self.restarts}"


@dataclass(slots=True)
class StoreWatch:
    """Asks a store how it is, every two seconds, in a thread: one that is stopped keeps only the thread waiting.

    Use as a context, and end the store before leaving it: that waits for the answer which is due.
    """

    name: str
    node: str
    ask: Callable[[], dict[str, float]]
    told: dict[str, float] = field(default_factory=dict[str, float])
    at_s: float = 0
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread = field(init=False)

    def __enter__(self) -> "StoreWatch":
        self._thread = threading.Thread(target=self._keep_asking, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(STOP_LIMIT_S)

    def lines(self) -> Iterator[str]:
        """Lines of the exposition format."""
        labels = f'{{service="{self.name}",pod="{self.name}-0",node="{self.node}"}}'
        fresh = time.time() - self.at_s < STALE_S
        yield f"store_up{labels} {int(fresh)}"
        if fresh:
            yield from (f"{metric}{labels} {value}" for metric, value in self.told.items())

    def _keep_asking(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(psycopg.Error, RedisError, OSError):
                self.told, self.at_s = self.ask(), time.time()
            self._stopping.wait(ASK_EVERY_S)


def postgres_watch(port: int) -> Callable[[], dict[str, float]]:
    """Asks a PostgreSQL for its sessions."""
    query = (
        "SELECT count(*) FILTER (WHERE wait_event_type = 'Lock'), count(*) FILTER (WHERE state = 'active'), "
        "count(*) FILTER (WHERE state = 'idle in transaction'), "
        "(SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = 'shop') "
        "FROM pg_stat_activity WHERE datname = 'shop'"
    )
    address = f"host=127.0.0.1 port={port} dbname=postgres user=shop connect_timeout=2 sslmode=disable"

    def ask() -> dict[str, float]:
        with psycopg.connect(address) as connection:
            row = connection.execute(query).fetchone() or (0, 0, 0, 0)
        names = ("pg_locks_waiting", "pg_sessions_active", "pg_sessions_idle_in_transaction", "pg_transactions_total")
        return {name: float(value or 0) for name, value in zip(names, row, strict=True)}

    return ask


def redis_watch(port: int) -> Callable[[], dict[str, float]]:
    """Asks a Redis for its clients and commands."""
    client = Redis(host="127.0.0.1", port=port, socket_timeout=1, socket_connect_timeout=1)

    def ask() -> dict[str, float]:
        told = client.info()
        return {
            "redis_connected_clients": float(told["connected_clients"]),
            "redis_commands_processed_total": float(told["total_commands_processed"]),
        }

    return ask
