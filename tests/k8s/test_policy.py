"""What no manifest may do."""

import inspect

import pytest

from service.stores.kubernetes import cluster
from tests.k8s.rendering import OVERLAYS, Object, containers, every_container, of_kind, render, workloads

ASKED = {"": {"pods", "nodes", "events"}, "apps": {"replicasets", "controllerrevisions"}}
"""What `service.stores.kubernetes.cluster` lists, by API group."""


def test_images_are_pinned_to_a_version() -> None:
    for name, _, container in every_container():
        tag = container["image"].rpartition("/")[2].partition(":")[2]
        assert tag.removeprefix("v")[:1].isdigit(), name


def test_nobody_is_root_and_root_file_systems_are_read_only() -> None:
    for name, workload, container in every_container():
        pod = workload["spec"]["template"]["spec"]["securityContext"]
        said = container["securityContext"]
        assert said.get("runAsNonRoot", pod.get("runAsNonRoot")) is True, name
        assert said.get("runAsUser", pod.get("runAsUser", 0)) > 0, name
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert said["readOnlyRootFilesystem"] is True, name
        assert said["allowPrivilegeEscalation"] is False, name
        assert said["capabilities"] == {"drop": ["ALL"]}, name


def test_memory_is_limited_and_the_processor_is_asked_for() -> None:
    for name, _, container in every_container():
        assert "memory" in container["resources"]["limits"], name
        assert {"cpu", "memory"} <= container["resources"]["requests"].keys(), name


def stays(workload: Object, container: Object) -> bool:
    """Whether it runs as long as the pod, other than what only prepares it."""
    return container in workload["spec"]["template"]["spec"]["containers"] or "restartPolicy" in container


def test_who_stays_is_probed_and_liveness_asks_nobody_else() -> None:
    for name, workload, container in every_container():
        if stays(workload, container):
            assert {"startupProbe", "livenessProbe", "readinessProbe"} <= container.keys(), name
            assert "readyz" not in str(container["livenessProbe"]), name


def test_what_the_kubelet_cannot_reach_is_probed_by_a_command() -> None:
    sidecar = next(c for name, _, c in every_container() if name == "sidecar-example/alertmanager/hypocenter")
    assert sidecar["restartPolicy"] == "Always"
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert "127.0.0.1:8080/livez" in sidecar[probe]["exec"]["command"][-1]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_role_lists_what_the_adapter_asks_for_and_nothing_else(overlay: str) -> None:
    for role in of_kind(render(overlay), "ClusterRole", "Role"):
        granted = {group: set(rule["resources"]) for rule in role["rules"] for group in rule["apiGroups"]}
        assert granted == ASKED
        assert all(rule["verbs"] == ["list"] for rule in role["rules"])


def test_the_adapter_asks_for_nothing_else() -> None:
    source = inspect.getsource(cluster)
    for resources in ASKED.values():
        assert all(resource in source for resource in resources)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_token_of_the_cluster_is_mounted_only_where_it_is_used(overlay: str) -> None:
    for workload in workloads(render(overlay)):
        pod = workload["spec"]["template"]["spec"]
        assert pod["automountServiceAccountToken"] is (pod.get("serviceAccountName") == "hypocenter")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_manifest_holds_a_secret(overlay: str) -> None:
    objects = render(overlay)
    assert list(of_kind(objects, "Secret")) == []
    for workload in workloads(objects):
        for container in containers(workload):
            assert not [e["name"] for e in container.get("env") or () if "AUTH" in e["name"] and "value" in e]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_pod_is_guarded_by_a_network_policy_where_it_is_ours(overlay: str) -> None:
    objects = render(overlay)
    guarded = [policy["spec"]["podSelector"]["matchLabels"] for policy in of_kind(objects, "NetworkPolicy")]
    for workload in workloads(objects):
        labels = workload["spec"]["template"]["metadata"]["labels"]
        if labels["app.kubernetes.io/name"].startswith("hypocenter"):
            assert any(selector.items() <= labels.items() for selector in guarded), workload["metadata"]["name"]
