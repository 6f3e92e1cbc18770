"""The lists of one cluster, read a page at a time and up to a bound."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from service.concurrency import gather
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

PAGE: Final = 500
MOST_PAGES: Final = 8
"""Of a list that is longer, the beginning is looked at, and the answer says so."""
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
    """What there is in the cluster now; ``notes`` say what of it could not be read."""

    pods: tuple[Pod, ...] = ()
    replica_sets: tuple[ReplicaSet, ...] = ()
    controller_revisions: tuple[ControllerRevision, ...] = ()
    nodes: tuple[Node, ...] = ()
    events: tuple[Event, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class Cluster:
    """One API server. Without ``namespaces`` all but the system's own are looked at.

    A list that we may not read costs what it would have told, and the answer says so; without pods nothing is told.
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
                self._read = await _Reading(self.backend, self.namespaces or ("",)).everything()
                self._read_at = time.monotonic()
            return self._read

    def _turn_in(self, loop: asyncio.AbstractEventLoop) -> asyncio.Lock:
        if self._loop is not loop:  # a lock belongs to one
            self._loop, self._turn = loop, asyncio.Lock()
        return self._turn


@dataclass(slots=True)
class _Reading:
    """All lists, read once. ``failures`` are those of lists that could not be read at all."""

    backend: Backend
    namespaces: Sequence[str]
    failures: list[BackendError] = field(default_factory=list[BackendError])
    notes: dict[str, None] = field(default_factory=dict[str, None])

    async def everything(self) -> Found:
        """What there is. Raises `BackendError` where no pods can be read: a server in trouble is not asked further."""
        pods = await self._lists("/api/v1", "pods", Page[Pod])
        if self.failures and not pods:
            raise self.failures[0]
        found = await gather(
            self._lists("/apis/apps/v1", "replicasets", Page[ReplicaSet]),
            self._lists("/apis/apps/v1", "controllerrevisions", Page[ControllerRevision]),
            self._list("/api/v1/nodes", "", Page[Node]),
            self._events(),
        )
        return Found(pods, *found, tuple(self.notes))

    async def _events(self) -> tuple[Event, ...]:
        """Few kinds of them: a busy cluster holds a hundred times as many of others."""
        of_nodes = self._list(_path("/api/v1", "events", OF_NODES), "involvedObject.kind=Node", Page[Event])
        told = (self._lists("/api/v1", "events", Page[Event], selector) for selector in (*EVENTS_ABOUT, WARNINGS))
        return tuple(event for events in await gather(*told, of_nodes) for event in events)

    async def _lists(self, api: str, resource: str, page: type[Page[Item]], selector: str = "") -> tuple[Item, ...]:
        """The list of every namespace."""
        told = (self._list(_path(api, resource, ns), _selector(ns, selector), page) for ns in self.namespaces)
        return tuple(item for items in await gather(*told) for item in items)

    async def _list(self, path: str, selector: str, page: type[Page[Item]]) -> tuple[Item, ...]:
        """The list, its beginning where it is very long or breaks off, or nothing where it cannot be read."""
        items: list[Item] = []
        go_on = ""
        for _ in range(MOST_PAGES):
            params = {"limit": str(PAGE), "fieldSelector": selector, "continue": go_on}
            try:
                told = await self.backend.told(page, "GET", path, params={k: v for k, v in params.items() if v})
            except BackendError as error:
                self._failed(error, path, len(items))
                return tuple(items)
            items += told.items
            go_on = told.metadata.go_on
            if not go_on:
                return tuple(items)
        self.notes[f"{self.backend.name}: of {_noun(path)} only the first {len(items)} looked at"] = None
        return tuple(items)

    def _failed(self, error: BackendError, path: str, there: int) -> None:
        if not there:
            self.failures.append(error)
        of = f"{_noun(path)} {f'after the first {there} ' if there else ''}not read"
        self.notes[f"{of}: {error}"] = None


def _noun(path: str) -> str:
    return path.rpartition("/")[2]


def _path(api: str, resource: str, namespace: str) -> str:
    return f"{api}/namespaces/{namespace}/{resource}" if namespace else f"{api}/{resource}"


def _selector(namespace: str, selector: str) -> str:
    system = () if namespace else tuple(f"metadata.namespace!={name}" for name in SYSTEM)
    return ",".join(filter(None, (*system, selector)))
