import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta

from service.domain.window import Window
from service.errors import HypocenterError
from service.jobs.kin import JOINING, Kin
from service.ports import Telemetry
from service.telemetry import logger

LOOKED_BACK = timedelta(hours=1)
REFRESH_S = 60.0
PATIENCE_S = 20.0
MOST_TENANTS = 100


class CallPaths:
    """Which services lie on one call path, for each tenant, as the topology of the last hour says. It is looked at in
    the background, never while a notification waits; where it is not to be had, what was known last stands, and at
    first that a service is its own kin.
    """

    def __init__(
        self,
        telemetry_of: Callable[[str], AbstractAsyncContextManager[Telemetry]],
        within: timedelta = JOINING,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._telemetry_of = telemetry_of
        self._patience_s = patience_s
        self._nobody = Kin(within=within)
        self._known = {"": self._nobody}

    def of(self, tenant: str) -> Kin:
        """What is known by now; from now on, that tenant's topology is looked at too."""
        kin = self._known.pop(tenant, self._nobody)
        self._known[tenant] = kin  # now the newest
        if len(self._known) > MOST_TENANTS:
            del self._known[next(iter(self._known))]
        return kin

    async def run(self, stopping: asyncio.Event) -> None:
        """Look again and again until told to stop."""
        told = asyncio.create_task(stopping.wait())
        while not stopping.is_set():
            looking = asyncio.create_task(self.look())
            await asyncio.wait({told, looking}, return_when=asyncio.FIRST_COMPLETED)
            if not stopping.is_set():
                await asyncio.wait({told}, timeout=REFRESH_S)
            looking.cancel()

    async def look(self) -> None:
        """Look once at the topology of every tenant that has sent something."""
        for tenant in tuple(self._known):
            try:
                async with asyncio.timeout(self._patience_s):
                    kin = await self._seen(tenant)
            except (HypocenterError, TimeoutError) as error:
                logger("jobs").warning("who calls whom is not known anew: %s", str(error) or "no answer in time")
            else:
                if tenant in self._known:  # it may have made room meanwhile
                    self._known[tenant] = kin

    async def _seen(self, tenant: str) -> Kin:
        now = datetime.now(UTC)
        async with self._telemetry_of(tenant) as telemetry:
            if telemetry.topology is None:
                return self._nobody
            table = await telemetry.topology.topology(Window(now - LOOKED_BACK, now))
        rows = table.to_pylist()
        calls = [(str(row["source"]), str(row["target"])) for row in rows if row["relation"] == "calls"]
        return await asyncio.to_thread(Kin.of, calls, self._nobody.within)
