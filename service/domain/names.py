"""What the names of pods, of jobs and of hosts say about the service that they belong to: the one place for it."""

import re
from typing import Final

MISSING: Final = "unknown_service"
"""What OpenTelemetry's SDKs call a service that nobody named, alone or with ``:`` and the name of the program."""

_NOTHING: Final = frozenset({"", "-", "unknown", "none", "null", "n/a", "<no value>", "<none>", "<nil>"})
_NOWHERE: Final = frozenset({"passthroughcluster", "blackholecluster", "inboundpassthroughcluster"})
"""What Istio writes where it does not know who was called."""

_SAFE: Final = "[bcdfghjklmnpqrstvwxz2456789]"
"""What Kubernetes makes names of, so that they never spell a word."""
_POD: Final = re.compile(rf"((-{_SAFE}{{6,10}})?-{_SAFE}{{5}}|-\d{{8,10}}-{_SAFE}{{5}}|-\d+)$")
"""What a Deployment, a DaemonSet or a Job; a CronJob (the minute and then as a Job); a StatefulSet adds."""
_LIKE_A_POD: Final = re.compile(r"-(?=[a-z]*\d)[a-z0-9]{8,10}-[a-z0-9]{5}$")
"""What others who make pods in a Deployment's way add."""
_REPLICA_SET: Final = re.compile(rf"-(?:{_SAFE}{{4,10}}|(?=[a-z]*\d)[a-z0-9]{{4,10}})$")

_VERSION: Final = re.compile(
    r"(?i)[-_.:@]?(?:(?<=[-_.:@])v?\d+(?:[-_.]\d+)+|(?<=[-_.:@])v\d+(?:[-_.]\w+)*?"
    r"|(?<=[-_.:@])(?:canary|stable|primary|baseline|preview|blue|green))$"
)
_PORT: Final = re.compile(r":\d{1,5}$")
_CLUSTER: Final = re.compile(r"(?i)^[^.]+\.[^.]+\.(?:svc|pod|serviceaccount)(?:\..+)?$")
_NAMESPACE: Final = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
"""What Kubernetes takes for a namespace, and what almost all call theirs elsewhere."""


def is_missing(name: str) -> bool:
    """Whether it is written in the place of a name that nobody knows."""
    plain = name.strip().casefold()
    return plain in _NOTHING or plain in _NOWHERE or plain.partition(":")[0] == MISSING


def workload_of(pod: str) -> str:
    """The Deployment, StatefulSet, DaemonSet or Job that made a pod, by how they name pods; "" for any other name."""
    for made in (_POD, _LIKE_A_POD):
        if (workload := made.sub("", pod)) != pod:
            return workload
    return ""


def deployment_of(replica_set: str) -> str:
    """The Deployment that made a ReplicaSet; the ReplicaSet itself where its name does not look made."""
    return _REPLICA_SET.sub("", replica_set) or replica_set


def parted(name: str) -> tuple[str, str]:
    """Namespace and service of ``namespace/service``, which Prometheus makes of OpenTelemetry's attributes; a name of
    any other form has no namespace.
    """
    namespace, slash, own = name.partition("/")
    if slash and own and "/" not in own and _NAMESPACE.fullmatch(namespace):
        return namespace, own
    return "", name


def joined(namespace: str, name: str) -> str:
    """``namespace/name``, or the name where there is no namespace that could be told from it again."""
    whole = f"{namespace}/{name}"
    return whole if name and parted(whole) == (namespace, name) else name


def host_of(address: str) -> str:
    """The host of an address or of an URL, without port; "" where there is none."""
    plain = address.rpartition("|")[2]  # Envoy: outbound|80||HOST
    host = plain.partition("://")[2] or plain
    host = re.split(r"[/?#]", host.rpartition("@")[2], maxsplit=1)[0]
    return "" if host.startswith("[") or host.count(":") > 1 else _PORT.sub("", host).rstrip(".")


def in_cluster(host: str) -> tuple[str, str]:
    """Namespace and service of a host name of a cluster (``service.namespace.svc…``), or two empty texts."""
    if not _CLUSTER.match(host):
        return "", ""
    service, namespace, *_ = host.split(".")
    return namespace, service


def is_address(host: str) -> bool:
    """Whether it is a number of the network, which names nobody."""
    return re.fullmatch(r"\d{1,3}(?:\.\d{1,3}){3}", host) is not None or ":" in host


def without_version(name: str) -> str:
    """The name without a version or a stage of a rollout at its end; the name itself if it has none."""
    return _VERSION.sub("", name).rstrip("-_.:@") or name
