import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.domain.window import Window
from service.errors import BackendError
from service.ports import CHANGES, TOPOLOGY
from service.stores.backend import Backend
from service.stores.kubernetes import cluster
from service.stores.kubernetes.fake import FakeKubernetes, Object
from service.stores.kubernetes.store import Kubernetes, service_account
from service.stores.partial import notes_of
from tests.patience import patient
from tests.stores.kubernetes.cluster import (
    container,
    controller_revision,
    ended,
    event,
    moment,
    node,
    owned_by,
    pod,
    replica_set,
    status,
    template,
)
from tests.telemetry_rows import at

WINDOW = Window(at(-10), at(12))
NEW = template(container("registry.example/shop/cart:1.3"))


def kubernetes(
    fake: Callable[[httpx.Request], httpx.Response], *, bearer: Path | None = None, **told: Any
) -> Kubernetes:
    access = patient("http://127.0.0.1:1", bearer_file=bearer)
    return Kubernetes(Backend("Kubernetes", access, httpx.MockTransport(fake)), **told)


def changes(told: Any = (), **objects: list[Object]) -> list[tuple[str, str, str]]:
    """Service, kind and summary of the changes in the window."""
    store = kubernetes(FakeKubernetes(objects), **dict(told))
    table = asyncio.run(store.changes(WINDOW))
    assert table.schema.equals(CHANGES)
    return [(row["service"], row["kind"], row["summary"]) for row in table.to_pylist()]


def topology(*pods: Object, **told: Any) -> list[tuple[str, str]]:
    table = asyncio.run(kubernetes(FakeKubernetes({"pods": pods}), **told).topology(WINDOW))
    assert table.schema.equals(TOPOLOGY)
    return [(row["source"], row["target"]) for row in table.to_pylist()]


def test_a_new_revision_tells_which_image_replaced_which() -> None:
    told = changes(replicasets=[replica_set(2, 3, NEW), replica_set(1, -500)])
    assert told == [("cart", "deploy", "revision 2, cart:1.2 → cart:1.3")]


def test_a_change_lies_at_the_moment_at_which_it_was_made() -> None:
    fake = FakeKubernetes({"replicasets": [replica_set(1, -500), replica_set(2, 3, NEW)]})
    assert asyncio.run(kubernetes(fake).changes(WINDOW)).column("time").to_pylist() == [at(3)]


def test_the_same_image_with_other_variables_is_a_change_of_configuration_that_tells_no_values() -> None:
    before = template(container(env=[{"name": "LIMIT", "value": "10"}, {"name": "KEY", "value": "old secret"}]))
    after = template(container(env=[{"name": "LIMIT", "value": "10"}, {"name": "KEY", "value": "new secret"}]))
    told = changes(replicasets=[replica_set(1, -500, before), replica_set(2, 3, after)])
    assert told == [("cart", "config", "revision 2, same image, other KEY")]


def test_other_resources_and_arguments_are_told() -> None:
    after = template(container(resources={"limits": {"cpu": "100m"}}, args=["--slow"]))
    ((_, kind, summary),) = changes(replicasets=[replica_set(1, -500), replica_set(2, 3, after)])
    assert (kind, summary) == ("config", "revision 2, same image, other resources, arguments")


def test_a_restart_on_purpose_is_one() -> None:
    after = template(annotations={"kubectl.kubernetes.io/restartedAt": moment(3)})
    ((_, kind, summary),) = changes(replicasets=[replica_set(1, -500), replica_set(2, 3, after)])
    assert (kind, summary) == ("restart", "revision 2, restarted on purpose, nothing else is new")


def test_a_cause_that_somebody_wrote_down_is_told() -> None:
    cause = {"kubernetes.io/change-cause": "hotfix"}
    ((_, _, summary),) = changes(replicasets=[replica_set(1, -500), replica_set(2, 3, NEW, **cause)])
    assert summary.endswith("(hotfix)")


def test_revisions_of_stateful_sets_and_daemon_sets_are_told_too() -> None:
    revisions = [
        controller_revision(1, -500, template(container("db:15"))),
        controller_revision(2, 0, template(container("db:16"))),
    ]
    assert changes(controllerrevisions=revisions) == [("orders-db", "deploy", "revision 2, db:15 → db:16")]


def test_a_container_that_was_killed_is_a_restart_with_its_reason() -> None:
    waits = {"waiting": {"reason": "CrashLoopBackOff"}}
    told = changes(pods=[pod(statuses=(status(3, last=ended(4), state=waits),))])
    what = "pod cart-1-abcde ended: OOMKilled (exit code 137), 3 restarts so far, now CrashLoopBackOff"
    assert told == [("cart", "restart", what)]


def test_a_container_that_did_its_work_is_no_restart() -> None:
    assert changes(pods=[pod(statuses=(status(0, state=ended(4, "Completed", 0)),))]) == []


def test_a_pod_that_cannot_start_tells_why() -> None:
    waits = {"waiting": {"reason": "ImagePullBackOff", "message": "no such tag"}}
    stuck = pod(statuses=(status(0, state=waits),), creationTimestamp=moment(1))
    told = [("cart", "deploy", "pod cart-1-abcde cannot start: ImagePullBackOff: no such tag")]
    assert changes(pods=[stuck]) == told


def test_a_node_that_lost_its_way_is_told_by_its_own_name() -> None:
    told = changes(
        nodes=[node("node-1", ("Ready", "Unknown", 2), ("MemoryPressure", "True", 1), ("PIDPressure", "False", 1))]
    )
    assert [(service, kind) for service, kind, _ in told] == [("node-1", "scale"), ("node-1", "restart")]
    assert told[1][2].startswith("node node-1 is not ready")


def scaled(name: str, way: str, minutes: float) -> Object:
    message = f"Scaled {way} replica set {name} to 1"
    return event("Deployment", "cart", "ScalingReplicaSet", message, minutes)


def test_scaling_by_hand_is_told() -> None:
    told = changes(events=[scaled("cart-1", "up", 2)], replicasets=[replica_set(1, -500)])
    assert told == [("cart", "scale", "Scaled up replica set cart-1 to 1")]


def test_scaling_that_rolls_out_a_revision_is_told_once() -> None:
    sets = [replica_set(1, -500), replica_set(2, 1, NEW)]
    told = changes(events=[scaled("cart-2", "up", 1), scaled("cart-1", "down", 2)], replicasets=sets)
    assert [kind for _, kind, _ in told] == ["deploy"]


def test_a_rollback_is_seen_though_its_revision_is_old() -> None:
    sets = [replica_set(3, -900, name="cart-1"), replica_set(2, -500, NEW)]
    told = changes(events=[scaled("cart-1", "up", 1), scaled("cart-2", "down", 2)], replicasets=sets)
    assert told == [("cart", "deploy", "rolled back to revision 3, cart:1.2")]


def steps(*steps: tuple[str, int, int, float]) -> list[Object]:
    """Scalings as an API server since 1.31 tells of them: set, pods before and after, and when."""
    return [
        event(
            "Deployment",
            "cart",
            "ScalingReplicaSet",
            f"Scaled {'up' if after > before else 'down'} replica set {name} from {before} to {after}",
            minutes,
        )
        for name, before, after, minutes in steps
    ]


def test_a_rollback_minutes_after_the_rollout_is_one_rollback() -> None:
    history: dict[str, Any] = {"deployment.kubernetes.io/revision-history": "1"}
    sets = [replica_set(3, -900, name="cart-1", **history), replica_set(2, 1, NEW)]
    rollout = steps(("cart-2", 0, 1, 1), ("cart-1", 2, 1, 1.2), ("cart-2", 1, 2, 1.3), ("cart-1", 1, 0, 1.5))
    back = steps(("cart-1", 0, 1, 6), ("cart-2", 2, 1, 6.2), ("cart-1", 1, 2, 6.3), ("cart-2", 1, 0, 6.5))
    assert changes(events=[*rollout, *back], replicasets=sets) == [
        ("cart", "deploy", "revision 2, cart:1.2 → cart:1.3"),
        ("cart", "deploy", "rolled back to revision 3, cart:1.2"),
    ]


def test_a_revision_that_was_taken_up_again_has_its_first_number_where_it_was_made() -> None:
    history: dict[str, Any] = {"deployment.kubernetes.io/revision-history": "1"}
    sets = [replica_set(3, 1, name="cart-1", **history), replica_set(2, 2, NEW)]
    assert [summary.partition(",")[0] for _, _, summary in changes(replicasets=sets)] == ["revision 1", "revision 2"]


@pytest.mark.parametrize("after_s", [6, 21, 300])
def test_scaling_seconds_after_a_workload_was_made_is_told(after_s: float) -> None:
    made = steps(("cart-1", 0, 2, 1))
    told = changes(events=[*made, *steps(("cart-1", 2, 4, 1 + after_s / 60))], replicasets=[replica_set(1, 1)])
    assert [(kind, summary) for _, kind, summary in told][1:] == [("scale", "Scaled up replica set cart-1 from 2 to 4")]


def test_what_an_autoscaler_did_is_told_in_its_own_words() -> None:
    message = "New size: 4; reason: cpu resource utilization (percentage of request) above target"
    said = event("HorizontalPodAutoscaler", "cart", "SuccessfulRescale", message, 2)
    told = changes(events=[said, scaled("cart-1", "up", 2)], replicasets=[replica_set(1, -500)])
    assert told == [("cart", "scale", message)]


def test_a_pod_that_was_evicted_and_is_gone_still_has_its_service() -> None:
    gone = event("Pod", "cart-1-zzzzz", "Evicted", "The node was low on resource: memory.", 2, type="Warning")
    ((service, kind, _),) = changes(events=[gone], replicasets=[replica_set(1, -500)])
    assert (service, kind) == ("cart", "restart")


def test_events_about_nodes_are_found_where_they_lie() -> None:
    said = event("Node", "node-1", "SystemOOM", "System OOM encountered", 2)
    expected = [("node-1", "restart", "node node-1: SystemOOM, System OOM encountered")]
    assert changes(events=[said]) == expected
    assert changes({"namespaces": ("shop",)}, events=[said]) == expected


def test_services_run_on_nodes_each_told_once() -> None:
    finished = pod("done") | {"status": {"phase": "Succeeded"}}
    pods = [pod("cart-1-a"), pod("cart-1-b"), pod("cart-1-c", "node-2"), pod("new", ""), finished]
    assert topology(*pods) == [("cart", "node-1"), ("cart", "node-2")]


def named(*env: Object, **metadata: Any) -> str:
    of = pod(**metadata)
    of["spec"]["containers"] = [container(env=list(env))]
    ((service, _),) = topology(of, labels=("team/service",))
    return service


def test_a_service_has_the_name_that_its_telemetry_bears() -> None:
    by_label = {"name": "OTEL_SERVICE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['part']"}}}
    labels = {"pod-template-hash": "1", "part": "basket", "team/service": "carts"}
    attributes = {"name": "OTEL_RESOURCE_ATTRIBUTES", "value": "a=b,service.name=cart-api"}
    assert named(annotations={"resource.opentelemetry.io/service.name": "cart-svc"}, labels=labels) == "cart-svc"
    assert named({"name": "OTEL_SERVICE_NAME", "value": "carting"}) == "carting"
    assert named(by_label, labels=labels) == "basket"
    assert named(attributes) == "cart-api"
    assert named({"name": "OTEL_SERVICE_NAME", "value": "$(POD)"}, labels=labels) == "carts"
    assert named(labels={"pod-template-hash": "1", "team.io/service": "x", "team/service": "carts"}) == "carts"
    assert named() == "cart"


def test_a_label_may_be_written_as_prometheus_writes_it() -> None:
    of = pod(labels={"app.kubernetes.io/name": "basket"})
    assert topology(of, labels=("app_kubernetes_io_name",)) == [("basket", "node-1")]


@pytest.mark.parametrize(
    ("owner", "expected"),
    [
        (owned_by("StatefulSet", "orders-db"), "orders-db"),
        (owned_by("ReplicaSet", "cart-6d5f7"), "cart"),
        (owned_by("Node", "node-1"), "lonely"),
        ({"ownerReferences": None}, "lonely"),
    ],
)
def test_a_pod_belongs_to_its_workload(owner: Object, expected: str) -> None:
    ((service, _),) = topology(pod("lonely", labels={}, **owner))
    assert service == expected


def test_namespaces_of_the_system_are_looked_at_only_where_named() -> None:
    system = pod("dns", namespace="kube-system", ownerReferences=None)
    assert topology(system, pod()) == [("cart", "node-1")]
    assert topology(system, pod(), namespaces=("kube-system",)) == [("dns", "node-1")]


def test_long_lists_are_read_a_page_at_a_time() -> None:
    fake = FakeKubernetes({"pods": [pod(f"cart-1-{i}", f"node-{i}") for i in range(cluster.PAGE + 1)]})
    assert asyncio.run(kubernetes(fake).topology(WINDOW)).num_rows == cluster.PAGE + 1


def test_a_list_whose_rest_expires_is_told_in_part() -> None:
    pods = [pod(f"cart-1-{i}", f"node-{i}") for i in range(3 * cluster.PAGE)]
    fake = FakeKubernetes({"pods": pods}, expires_after=1)
    store = kubernetes(fake)
    assert asyncio.run(store.topology(WINDOW)).num_rows == cluster.PAGE
    (note,) = notes_of(asyncio.run(store.changes(WINDOW)))
    assert note.startswith("pods after the first 500 not read: Kubernetes answered")


def test_what_we_may_not_read_costs_no_more_than_itself() -> None:
    objects = {"pods": [pod(statuses=(status(last=ended(4)),))], "nodes": [node()]}
    fake = FakeKubernetes(objects, forbidden={"nodes", "events", "replicasets", "controllerrevisions"})
    table = asyncio.run(kubernetes(fake).changes(WINDOW))
    assert table.num_rows == 1
    lists = {"replicasets", "controllerrevisions", "nodes", "events"}
    assert {note.partition(":")[0] for note in notes_of(table)} == {f"{name} not read" for name in lists}
    assert all("is forbidden: User cannot list resource" in note for note in notes_of(table))


def test_where_nothing_may_be_read_that_is_an_error_of_one_line(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("wrong")
    store = kubernetes(FakeKubernetes({}, token="right"), bearer=token)
    with pytest.raises(BackendError, match=r"Kubernetes refuses us \(401\)"):
        asyncio.run(store.changes(WINDOW))
    token.write_text("right")
    assert asyncio.run(store.changes(WINDOW)).num_rows == 0


def test_an_incident_that_asks_for_both_reads_the_cluster_once() -> None:
    fake = FakeKubernetes({"pods": [pod()]})
    store = kubernetes(fake)

    async def both() -> None:
        await asyncio.gather(store.changes(WINDOW), store.topology(WINDOW))

    asyncio.run(both())
    assert len([request for request in fake.asked if request.url.path.endswith("/pods")]) == 1
    assert len(fake.asked) == 8
    assert {request.method for request in fake.asked} == {"GET"}
    assert not any("secrets" in request.url.path for request in fake.asked)


def test_it_says_what_it_found() -> None:
    fake = FakeKubernetes({"pods": [pod(), pod("cart-1-b")], "nodes": [node()]})
    assert asyncio.run(kubernetes(fake).found()) == "Kubernetes v1.32.0: 2 pods of 1 services on 1 nodes"


def test_a_pod_reaches_its_own_cluster_by_its_service_account(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("renewed")
    access = service_account(account=tmp_path)
    assert access.sent() == {"Authorization": "Bearer renewed"}
    assert list(access.certificates()) == [tmp_path / "ca.crt"]
    assert access.shown == "https://kubernetes.default.svc"
