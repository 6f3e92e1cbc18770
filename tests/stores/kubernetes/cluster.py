"""A small cluster, an object at a time, as the API would write it."""

from typing import Any

from service.domain.window import rfc3339
from tests.telemetry_rows import at

Object = dict[str, Any]
NAMESPACE = "shop"


def moment(minutes: float) -> str:
    return rfc3339(at(minutes))


def owned_by(kind: str, name: str) -> Object:
    return {"ownerReferences": [{"kind": kind, "name": name, "controller": True, "uid": "u", "apiVersion": "apps/v1"}]}


def container(image: str = "registry.example/shop/cart:1.2", **more: object) -> Object:
    return {"name": "main", "image": image, "resources": {}, **more}


def template(*containers: Object, **metadata: object) -> Object:
    made = {"creationTimestamp": None, "labels": {"app": "cart"}, **metadata}
    return {"metadata": made, "spec": {"containers": list(containers) or [container()]}}


def replica_set(
    revision: int,
    minutes: float,
    spec: Object | None = None,
    workload: str = "cart",
    name: str = "",
    **annotations: str,
) -> Object:
    return {
        "metadata": {
            "name": name or f"{workload}-{revision}",
            "namespace": NAMESPACE,
            "creationTimestamp": moment(minutes),
            "annotations": {"deployment.kubernetes.io/revision": str(revision), **annotations},
            **owned_by("Deployment", workload),
        },
        "spec": {"replicas": 1, "template": spec or template()},
        "status": {"replicas": 1},
    }


def controller_revision(revision: int, minutes: float, spec: Object) -> Object:
    return {
        "metadata": {
            "name": f"orders-db-{revision}",
            "namespace": NAMESPACE,
            "creationTimestamp": moment(minutes),
            **owned_by("StatefulSet", "orders-db"),
        },
        "data": {"spec": {"template": spec}},
        "revision": revision,
    }


def pod(
    name: str = "cart-1-abcde", node: str = "node-1", statuses: tuple[Object, ...] = (), **metadata: object
) -> Object:
    return {
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "creationTimestamp": moment(-60),
            "labels": {"pod-template-hash": "1"},
            **owned_by("ReplicaSet", "cart-1"),
            **metadata,
        },
        "spec": {"nodeName": node, "containers": [container()]},
        "status": {"phase": "Running", "containerStatuses": list(statuses) or None},
    }


def ended(minutes: float, reason: str = "OOMKilled", code: int = 137) -> Object:
    return {"terminated": {"reason": reason, "exitCode": code, "finishedAt": moment(minutes), "startedAt": moment(-60)}}


def status(restarts: int = 1, *, last: Object | None = None, state: Object | None = None) -> Object:
    running = {"running": {"startedAt": moment(0)}}
    return {"name": "main", "restartCount": restarts, "lastState": last or {}, "state": state or running}


def event(kind: str, name: str, reason: str, message: str, minutes: float, **more: object) -> Object:
    namespace = "default" if kind == "Node" else NAMESPACE
    return {
        "metadata": {"name": f"{name}.17", "namespace": namespace},
        "involvedObject": {"kind": kind, "name": name, "namespace": "" if kind == "Node" else NAMESPACE},
        "reason": reason,
        "message": message,
        "type": "Normal",
        "firstTimestamp": moment(minutes),
        "lastTimestamp": moment(minutes),
        "eventTime": None,
        **more,
    }


def node(name: str = "node-1", *conditions: tuple[str, str, float]) -> Object:
    told = [
        {
            "type": kind,
            "status": is_so,
            "reason": f"Kubelet{kind}",
            "message": "",
            "lastTransitionTime": moment(minutes),
        }
        for kind, is_so, minutes in conditions
    ]
    return {"metadata": {"name": name, "creationTimestamp": moment(-9999)}, "status": {"conditions": told}}
