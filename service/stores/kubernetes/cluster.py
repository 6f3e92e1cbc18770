"""The lists of one cluster, read a page at a time and up to a bound."""

import asyncio
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import Final

from service.errors import BackendError
from service.stores.backend import Backend
from service.stores.kubernetes.objects import (
    ControllerRevision,
    Event,
    Item,
    Node,
    Page,
    Pod,
    ReplicaSet,
)
from service.telemetry import logger

PAGE: Final = 500
MOST_PAGES: Final = 8
"""Of a list that is longer, the beginning is looked at, and the log says so."""
FRESH_S: Final = 5.0
"""So long one reading serves: an incident asks for changes and for the topology at the same time."""

SYSTEM: Final = ("kube-system", "kube-public", "kube-node-lease")
"""Namespaces that are looked at only where they are named."""
OF_NODES: Final = "default"
"""Events about nodes lie there."""
EVENTS_ABOUT: Final = ("involvedObject.kind=Deployment", "involvedObject.kind=HorizontalPodAutoscaler")
WARNINGS: Final = "involvedObject.kind=Pod,type=Warning"


@dataclass(frozen=True, slots=True)
class Found:
    """What there is in the cluster now."""

    pods: tuple[Pod, ...] = ()
    replica_sets: tuple[ReplicaSet, ...] = ()
    controller_revisions: tuple[ControllerRevision, ...] = ()
    nodes: tuple[Node, ...] = ()
    events: tuple[Event, ...] = ()


@dataclass(slots=True)
class Cluster:
    """One API server. Without ``namespaces`` all but the system's own are looked at.

    A list that we may not read costs what it would have told, and the log says so; where none can be read, it raises.
    """

    backend: Backend
    namespaces: Sequence[str] = ()
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _loop: asyncio.AbstractEventLoop | None = None
    _read: Found | None = None
    _read_at: float = 0.0

    async def found(self) -> Found:
        """The objects, as they were a few seconds ago at most. Raises `BackendError`."""
        async with self._turn_in(asyncio.get_running_loop()):
            if self._read is None or time.monotonic() - self._read_at > FRESH_S:
                self._read = await self._everything()
                self._read_at = time.monotonic()
            return self._read

    def _turn_in(self, loop: asyncio.AbstractEventLoop) -> asyncio.Lock:
        if self._loop is not loop:  # a lock belongs to one
            self._loop, self._turn = loop, asyncio.Lock()
        return self._turn

    async def _everything(self) -> Found:
        failures: list[BackendError] = []
        namespaces = self.namespaces or ("",)
        found = await asyncio.gather(
            self._of_each("/api/v1", "pods", namespaces, Page[Pod], failures),
            self._of_each("/apis/apps/v1", "replicasets", namespaces, Page[ReplicaSet], failures),
            self._of_each("/apis/apps/v1", "controllerrevisions", namespaces, Page[ControllerRevision], failures),
            self._readable(self._pages("/api/v1/nodes", "", Page[Node]), failures),
            self._events(namespaces, failures),
        )
        if failures and not any(found):
            raise failures[0]
        pods, replica_sets, controller_revisions, nodes, events = found
        return Found(pods, replica_sets, controller_revisions, nodes, events)

    async def _events(self, namespaces: Sequence[str], failures: list[BackendError]) -> tuple[Event, ...]:
        """Few kinds of them: a busy cluster holds a hundred times as many of others."""
        asked = [
            self._of_each("/api/v1", "events", namespaces, Page[Event], failures, selector)
            for selector in (*EVENTS_ABOUT, WARNINGS)
        ]
        nodes = self._of_each("/api/v1", "events", (OF_NODES,), Page[Event], failures, "involvedObject.kind=Node")
        return tuple(event for events in await asyncio.gather(*asked, nodes) for event in events)

    async def _of_each(
        self,
        api: str,
        resource: str,
        namespaces: Sequence[str],
        page: type[Page[Item]],
        failures: list[BackendError],
        selector: str = "",
    ) -> tuple[Item, ...]:
        asked = [
            self._readable(self._pages(_path(api, resource, namespace), _selector(namespace, selector), page), failures)
            for namespace in namespaces
        ]
        return tuple(item for items in await asyncio.gather(*asked) for item in items)

    async def _readable(self, items: Awaitable[tuple[Item, ...]], failures: list[BackendError]) -> tuple[Item, ...]:
        try:
            return await items
        except BackendError as error:
            logger("kubernetes").warning("a list is left out: %s", error)
            failures.append(error)
            return ()

    async def _pages(self, path: str, selector: str, page: type[Page[Item]]) -> tuple[Item, ...]:
        """The list, or its beginning where it is very long or breaks off."""
        items: list[Item] = []
        go_on = ""
        for _ in range(MOST_PAGES):
            params = {"limit": str(PAGE), "fieldSelector": selector, "continue": go_on}
            try:
                told = await self.backend.told(page, "GET", path, params={k: v for k, v in params.items() if v})
            except BackendError as error:
                if not items:
                    raise
                logger("kubernetes").warning("%s is told in part: %s", path, error)
                return tuple(items)
            items += told.items
            go_on = told.metadata.go_on
            if not go_on:
                return tuple(items)
        logger("kubernetes").warning("%s: of more than %d objects the first are looked at", path, len(items))
        return tuple(items)


def _path(api: str, resource: str, namespace: str) -> str:
    return f"{api}/namespaces/{namespace}/{resource}" if namespace else f"{api}/{resource}"


def _selector(namespace: str, selector: str) -> str:
    system = () if namespace else tuple(f"metadata.namespace!={name}" for name in SYSTEM)
    return ",".join(filter(None, (*system, selector)))
