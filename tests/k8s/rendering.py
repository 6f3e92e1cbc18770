"""Manifests as kustomize renders them, and what of them is looked at."""

import functools
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.conftest import REPOSITORY
from tests.waiting import LIMIT_S

K8S = REPOSITORY / "k8s"
OVERLAYS = sorted(path.name for path in (K8S / "overlays").iterdir())

Object = dict[str, Any]


@functools.cache
def render(overlay: str) -> tuple[Object, ...]:
    """The objects of an overlay. Skips where there is no kubectl."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed: manifests cannot be rendered")
    command = [kubectl, "kustomize", str(K8S / "overlays" / overlay)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert ended.returncode == 0, ended.stderr
    return tuple(yaml.safe_load_all(ended.stdout))


def of_kind(objects: tuple[Object, ...], *kinds: str) -> Iterator[Object]:
    return (found for found in objects if found["kind"] in kinds)


def workloads(objects: tuple[Object, ...]) -> Iterator[Object]:
    """What makes pods."""
    return of_kind(objects, "Deployment", "StatefulSet")


def containers(workload: Object) -> list[Object]:
    pod = workload["spec"]["template"]["spec"]
    return [*pod.get("initContainers", ()), *pod["containers"]]


def every_container() -> Iterator[tuple[str, Object, Object]]:
    """Of every overlay: a readable name, the workload, the container."""
    for overlay in OVERLAYS:
        for workload in workloads(render(overlay)):
            for container in containers(workload):
                yield f"{overlay}/{workload['metadata']['name']}/{container['name']}", workload, container


def is_ours(container: Object) -> bool:
    return str(container["image"]).startswith("hypocenter:")


def environment(container: Object) -> dict[str, str]:
    return {told["name"]: told["value"] for told in container.get("env") or () if "value" in told}


def configuration(objects: tuple[Object, ...], workload: Object, container: Object) -> str:
    """The text of hypocenter.toml that a container of ours reads, by its volume and its path."""
    path = container["args"][container["args"].index("--config") + 1]
    mount = next(m for m in container["volumeMounts"] if path.startswith(m["mountPath"] + "/"))
    volume = next(v for v in workload["spec"]["template"]["spec"]["volumes"] if v["name"] == mount["name"])
    found = next(o for o in of_kind(objects, "ConfigMap") if o["metadata"]["name"] == volume["configMap"]["name"])
    return str(found["data"][path.removeprefix(mount["mountPath"] + "/")])
