import asyncio
import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from service.stores.embedded.intake import Intake
from service.stores.embedded.refusals import FullError
from service.stores.embedded.retention import Retention
from service.stores.embedded.room import Room

TIDY_EVERY_S = 1.0
MOST = 100
"""Tenants whose telemetry is kept here: each has files and threads of its own."""


def directory_of(root: Path, tenant: str) -> Path:
    """Where the telemetry of a tenant lies; that of the tenant without a name lies in ``root`` itself."""
    return root / "tenants" / tenant if tenant else root


def _tenants_below(root: Path) -> list[str]:
    """Tenants whose telemetry lies there already: it grows old also where they send no more."""
    below = root / "tenants"
    return sorted(path.name for path in below.iterdir() if path.is_dir()) if below.is_dir() else []


class Intakes:
    """The ways in of all tenants, each of which has a directory below ``root``, which no other tenant's incidents see.
    ``retention`` is for each of them, the room of ``room_bytes`` for all together.

    Raises `StoreError` if the directory cannot be used or another process writes there.
    """

    def __init__(
        self,
        root: Path,
        retention: Retention | None = None,
        body_limit_bytes: int = 8_000_000,
        room_bytes: int = 64_000_000,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._root = root
        self._retention = retention
        self._clock = clock
        self.body_limit_bytes = body_limit_bytes
        self.room = Room(max(room_bytes, 2 * body_limit_bytes))
        self._opening = asyncio.Lock()
        self._opened = {tenant: self._open(tenant) for tenant in ("", *_tenants_below(root)[: MOST - 1])}

    async def of(self, tenant: str) -> Intake:
        """The tenant's way in, opened if need be. Raises `StoreError`, and `FullError` for one tenant too many."""
        if (known := self._opened.get(tenant)) is not None:
            return known
        async with self._opening:
            if tenant not in self._opened:
                if len(self._opened) >= MOST:
                    raise FullError(f"telemetry of {MOST} tenants is kept already")
                self._opened[tenant] = await asyncio.to_thread(self._open, tenant)
        return self._opened[tenant]

    async def run(self, stopping: asyncio.Event) -> None:
        """Seal and expire while nothing comes in, until told to stop."""
        while not stopping.is_set():
            for intake in list(self._opened.values()):
                await intake.tidy()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TIDY_EVERY_S):
                    await stopping.wait()

    async def close(self) -> None:
        """Finish what is under way, seal everything."""
        for intake in list(self._opened.values()):
            await intake.close()

    def _open(self, tenant: str) -> Intake:
        return Intake(
            directory_of(self._root, tenant),
            self._retention,
            body_limit_bytes=self.body_limit_bytes,
            room=self.room,
            clock=self._clock,
        )
