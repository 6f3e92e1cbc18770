"""Telemetry by tenant. A tenant whose servers are asked in its name, or who sends telemetry here, has adapters of its
own: what they remember, their limits and their breakers are nobody else's.
"""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from service.errors import CallerError
from service.settings import BackendSettings, Settings
from service.stores.backend import Backend
from service.stores.embedded.intakes import directory_of
from service.wiring.sources import Source, open_source

PLACE = "{tenant}"
"""In a server's ``tenant``: the incident's."""

MOST = 100
"""Adapters are kept of so many tenants, or of as many as are being looked at."""


def settings_of(settings: Settings, tenant: str) -> Settings:
    """The settings as they are for that tenant."""
    named = {
        name: group.model_copy(update={"tenant": group.tenant.replace(PLACE, tenant)})
        for name, group in _servers(settings).items()
    }
    kept = settings.telemetry.embedded
    own = settings.telemetry.model_copy(update={"embedded": kept and directory_of(kept, tenant)})
    return settings.model_copy(update={**named, "telemetry": own})


def settings_of_known(settings: Settings, tenant: str) -> Settings:
    """The same for a tenant that somebody names, who may have slipped.

    Raises `CallerError` where only what was sent here tells tenants apart, and nothing was sent in that name: an answer
    would say that all is quiet.
    """
    theirs = settings_of(settings, tenant)
    kept = theirs.telemetry.embedded
    named_to_servers = any(PLACE in group.tenant for group in _servers(settings).values())
    if tenant and kept is not None and not named_to_servers and not kept.is_dir():
        raise CallerError(f"--tenant {tenant}: {settings.telemetry.embedded} has no telemetry of that tenant")
    return theirs


def _servers(settings: Settings) -> dict[str, BackendSettings]:
    return {name: group for name, group in settings if isinstance(group, BackendSettings)}


def open_sources(settings: Settings) -> "TenantSources | None":
    """The sources that are set; None if there are none. Raises as `service.wiring.sources.open_source` does."""
    shared = open_source(settings_of(settings, ""))
    return None if shared is None else TenantSources(settings, shared)


@dataclass(slots=True)
class _Opened:
    source: Source
    users: int = 0


@dataclass(slots=True)
class TenantSources:
    """The source of each tenant; ``shared`` is that of the tenant without a name, and of all where nothing differs."""

    settings: Settings
    shared: Source
    open: Callable[[Settings], Source | None] = open_source
    most: int = MOST
    _opened: dict[str, _Opened] = field(default_factory=dict[str, _Opened])

    @asynccontextmanager
    async def lent(self, tenant: str) -> AsyncGenerator[Source]:
        """The tenant's source, which is open as long as somebody uses it."""
        opened = self._find(tenant)
        opened.users += 1
        try:
            yield opened.source
        finally:
            opened.users -= 1
            await self._close_unused(self.most)

    def backends(self) -> Iterator[Backend]:
        """The servers that are asked for them now, each once."""
        yield from self.shared.backends
        for opened in self._opened.values():
            if opened.source is not self.shared:
                yield from opened.source.backends

    async def aclose(self) -> None:
        """Close them; nobody uses one any more."""
        await self._close_unused(0)
        await self.shared.aclose()

    def _find(self, tenant: str) -> _Opened:
        opened = self._opened.pop(tenant, None) or _Opened(self._source(tenant))
        self._opened[tenant] = opened  # now the newest
        return opened

    def _source(self, tenant: str) -> Source:
        theirs, ours = settings_of(self.settings, tenant), settings_of(self.settings, "")
        return self.shared if theirs == ours else self.open(theirs) or self.shared

    async def _close_unused(self, most: int) -> None:
        unused = [tenant for tenant, opened in self._opened.items() if not opened.users]
        for tenant in unused[: max(len(self._opened) - most, 0)]:
            source = self._opened.pop(tenant).source
            if source is not self.shared:
                await source.aclose()
