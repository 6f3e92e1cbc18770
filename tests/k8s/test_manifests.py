"""Every object is what its schema says, strictly, and names only what is there."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate  # pyright: ignore[reportMissingTypeStubs]
import pytest

from tests.k8s.rendering import OVERLAYS, Object, containers, of_kind, render, workloads

pytestmark = pytest.mark.parametrize("overlay", OVERLAYS)

SCHEMAS = Path(__file__).parent / "schemas"
VERSIONS = ("1.32", "1.37")
CUSTOM = "monitoring.coreos.com/v1"


def custom_schema(kind: str) -> dict[str, Any]:
    return json.loads((SCHEMAS / f"{kind.lower()}.json").read_text())


def selects(selector: dict[str, str], labels: dict[str, str]) -> bool:
    return selector.items() <= labels.items()


def pod_labels(workload: Object) -> dict[str, str]:
    return workload["spec"]["template"]["metadata"]["labels"]


@pytest.mark.parametrize("version", VERSIONS)
def test_objects_are_strictly_what_kubernetes_knows(overlay: str, version: str) -> None:
    for found in render(overlay):
        if found["apiVersion"] == CUSTOM:
            jsonschema.validate(found, custom_schema(found["kind"]))
        else:
            kubernetes_validate.validate(found, version, strict=True)


def test_selectors_find_pods(overlay: str) -> None:
    objects = render(overlay)
    labels = [pod_labels(workload) for workload in workloads(objects)]
    for workload in workloads(objects):
        assert selects(workload["spec"]["selector"]["matchLabels"], pod_labels(workload))
    for service in of_kind(objects, "Service"):
        assert sum(selects(service["spec"]["selector"], told) for told in labels) == 1, service["metadata"]["name"]
    for budget in of_kind(objects, "PodDisruptionBudget"):
        assert sum(selects(budget["spec"]["selector"]["matchLabels"], told) for told in labels) == 1
    for policy in of_kind(objects, "NetworkPolicy"):
        assert any(selects(policy["spec"]["podSelector"]["matchLabels"], told) for told in labels)


def test_named_ports_exist(overlay: str) -> None:
    objects = render(overlay)
    named = {
        port["name"] for w in workloads(objects) for container in containers(w) for port in container.get("ports", ())
    }
    served = {port["name"] for service in of_kind(objects, "Service") for port in service["spec"]["ports"]}
    targets = {port["targetPort"] for service in of_kind(objects, "Service") for port in service["spec"]["ports"]}
    guarded = {
        port["port"]
        for policy in of_kind(objects, "NetworkPolicy")
        for rule in policy["spec"]["ingress"]
        for port in rule["ports"]
    }
    watched = {end["port"] for monitor in of_kind(objects, "ServiceMonitor") for end in monitor["spec"]["endpoints"]}
    assert targets <= named
    assert guarded - {"probes"} <= named
    assert watched - {"probes"} <= served


def test_monitors_select_services(overlay: str) -> None:
    objects = render(overlay)
    for monitor in of_kind(objects, "ServiceMonitor"):
        selector = monitor["spec"]["selector"]["matchLabels"]
        assert any(selects(selector, service["metadata"]["labels"]) for service in of_kind(objects, "Service"))


def test_volumes_and_what_they_name_are_there(overlay: str) -> None:
    objects = render(overlay)
    claims = {claim["metadata"]["name"] for claim in of_kind(objects, "PersistentVolumeClaim")}
    maps = {found["metadata"]["name"] for found in of_kind(objects, "ConfigMap")}
    for workload in workloads(objects):
        volumes = workload["spec"]["template"]["spec"]["volumes"]
        templates = {claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", ())}
        names = {volume["name"] for volume in volumes} | templates
        mounted = {mount["name"] for container in containers(workload) for mount in container["volumeMounts"]}
        assert mounted == names
        assert {v["persistentVolumeClaim"]["claimName"] for v in volumes if "persistentVolumeClaim" in v} <= claims
        assert {v["configMap"]["name"] for v in volumes if "configMap" in v} <= maps


def test_autoscalers_and_roles_name_what_is_there(overlay: str) -> None:
    objects = render(overlay)
    names = {(found["kind"], found["metadata"]["name"]) for found in objects}
    for scaler in of_kind(objects, "HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        assert (target["kind"], target["name"]) in names
        workload = next(w for w in workloads(objects) if w["metadata"]["name"] == target["name"])
        assert "replicas" not in workload["spec"], "what is applied again would undo what was scaled"
    for binding in of_kind(objects, "ClusterRoleBinding"):
        assert ("ClusterRole", binding["roleRef"]["name"]) in names
        for subject in binding["subjects"]:
            found = next(o for o in of_kind(objects, "ServiceAccount") if o["metadata"]["name"] == subject["name"])
            assert found["metadata"]["namespace"] == subject["namespace"]
