from dataclasses import replace

import httpx
import pyarrow as pa
import pytest

from service.stores.backend import Backend
from service.stores.kubernetes.fake import FakeKubernetes
from service.stores.kubernetes.store import Kubernetes
from service.stores.memory import InMemoryTelemetry
from service.view.view import View
from tests.patience import open_patiently, patient
from tests.stores.kubernetes.cluster import owned_by, pod, replica_set
from tests.telemetry_rows import at, changes, incident, small_tables, topology


def seen(told: pa.Table, placed: pa.Table) -> View:
    telemetry = InMemoryTelemetry(replace(small_tables(), changes=told, topology=placed)).telemetry
    return open_patiently(incident(), telemetry)


@pytest.mark.parametrize("us", ["hypocenter", "hypocenter-worker", "hypocenter-gateway"])
def test_our_own_rollout_is_no_change_that_an_incident_can_be_blamed_on(us: str) -> None:
    told = changes({"service": us, "time": at(9)}, {"service": "a", "time": at(8)}, {"service": "hypocentre"})
    view = seen(told, topology())
    assert view.tables.changes is not None
    assert view.tables.changes.column("service").to_pylist() == ["a", "hypocentre"]
    assert us not in {row.component.name for row in view.evidence}


@pytest.mark.parametrize("us", ["hypocenter", "hypocenter-worker"])
def test_we_are_nobodys_neighbour(us: str) -> None:
    placed = topology(
        {"source": us, "target": "node-1", "relation": "runs_on"},
        {"source": "a", "target": "node-1", "relation": "runs_on"},
        {"source": "a", "target": us},
        {"source": us, "target": "b"},
    )
    view = seen(changes(), placed)
    assert us not in view.graph.services
    assert view.graph.hosts["a"] == ("node-1",)
    assert view.tables.topology is not None
    assert view.tables.topology.num_rows == 1


def test_a_node_that_is_called_as_we_are_is_looked_at() -> None:
    node = "hypocenter-control-plane"
    view = seen(
        changes({"service": node, "summary": "is not ready"}),
        topology({"source": "a", "target": node, "relation": "runs_on"}),
    )
    assert view.graph.hosts["a"] == (node,)
    assert view.tables.changes is not None
    assert view.tables.changes.column("summary").to_pylist() == ["is not ready"]


def test_in_a_cluster_that_we_run_in_only_the_others_are_looked_at() -> None:
    workloads = ("cart", "hypocenter-gateway")
    fake = FakeKubernetes(
        {
            "replicasets": [replica_set(1, 3, workload=workload) for workload in workloads],
            "pods": [pod(**owned_by("ReplicaSet", f"{workload}-1")) for workload in workloads],
        }
    )
    cluster = Kubernetes(Backend("Kubernetes", patient("http://127.0.0.1:1"), httpx.MockTransport(fake)))
    telemetry = replace(InMemoryTelemetry(small_tables()).telemetry, changes=cluster, topology=cluster)
    view = open_patiently(incident(), telemetry)
    assert view.tables.changes is not None
    assert view.tables.changes.column("service").to_pylist() == ["cart"]
    assert "cart" in view.graph.services
    assert "hypocenter-gateway" not in view.graph.services
