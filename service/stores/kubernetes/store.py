"""Kubernetes: what changed in a cluster and which services run on which nodes. It is asked to list, nothing else."""

import asyncio
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Final

import pyarrow as pa
from pydantic import BaseModel

from service.domain.window import Window
from service.ports import TOPOLOGY
from service.stores.access import Access
from service.stores.backend import Backend
from service.stores.kubernetes.cluster import Cluster, Found
from service.stores.kubernetes.happenings import Happenings, conditions
from service.stores.kubernetes.naming import Names, owner_name
from service.stores.kubernetes.objects import Pod
from service.stores.kubernetes.restarts import restarts
from service.stores.kubernetes.rollouts import rollouts
from service.stores.kubernetes.row import table_of
from service.stores.partial import with_notes
from service.stores.validation import name_of

ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds its own service account."""
IN_CLUSTER: Final = "https://kubernetes.default.svc"


def service_account(url: str = IN_CLUSTER, account: Path = ACCOUNT) -> Access:
    """How a pod reaches the API server of its own cluster: its token is renewed under its feet."""
    return Access(url, bearer_file=account / "token", ca_file=account / "ca.crt")


class Kubernetes:
    """Answers for changes (rollouts, restarts, scaling, conditions of nodes) and for topology (what runs where).

    It knows the present and what the present tells of the past: a container's last end only, an hour of events, and
    as many revisions as workloads keep. ``labels`` of pods are believed before a workload's own name, where nothing
    that belongs to OpenTelemetry names the service.
    """

    def __init__(self, backend: Backend, namespaces: Sequence[str] = (), labels: Sequence[str] = ()) -> None:
        self._backend = backend
        self._cluster = Cluster(backend, namespaces)
        self._labels = labels

    async def changes(self, window: Window) -> pa.Table:
        """Changes of the window, those of a node under its name. Raises `BackendError` if its pods cannot be read."""
        found = await self._cluster.found()
        return with_notes(await asyncio.to_thread(_changes, found, self._labels, window), found.notes)

    async def topology(self, window: Window) -> pa.Table:
        """Which services run on which nodes, as it is now. Raises `BackendError` if its pods cannot be read."""
        found = await self._cluster.found()
        names = _names(found, self._labels)
        placed = dict.fromkeys((names.of_pod(pod), name_of(pod.spec.node_name)) for pod in found.pods if _runs(pod))
        rows = [{"source": service, "target": node, "relation": "runs_on"} for service, node in placed]
        return pa.Table.from_pylist(rows, schema=TOPOLOGY)

    async def found(self) -> str:
        """What answers there, in one line. Raises `BackendError`."""
        version = await self._backend.told(_Version, "GET", "/version")
        found = await self._cluster.found()
        names = _names(found, self._labels)
        services = {names.of_pod(pod) for pod in found.pods if _runs(pod)}
        told = version.gitVersion[:40]
        return f"Kubernetes {told}: {len(found.pods)} pods of {len(services)} services on {len(found.nodes)} nodes"

    async def aclose(self) -> None:
        """Close its connections."""
        await self._backend.aclose()


class _Version(BaseModel):
    gitVersion: str = ""  # noqa: N815


def _runs(pod: Pod) -> bool:
    return bool(pod.spec.node_name) and pod.status.phase not in ("Succeeded", "Failed")


def _names(found: Found, labels: Sequence[str]) -> Names:
    names = Names(labels)
    for revision in (*found.replica_sets, *found.controller_revisions):
        meta = revision.metadata
        names.learn(meta.namespace, owner_name(meta.owner, meta.name), revision.template)
    return names


def _changes(found: Found, labels: Sequence[str], window: Window) -> pa.Table:
    names = _names(found, labels)
    rows = chain(
        rollouts((*found.replica_sets, *found.controller_revisions), names),
        restarts(found.pods, names),
        conditions(found.nodes),
        Happenings(found.events, found.replica_sets, names).rows(),
    )
    return table_of(rows, window)
