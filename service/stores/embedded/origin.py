"""Who sent it: OTLP's resource attributes as service, pod and node; and attribute values as text."""

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from service.domain import names
from service.telemetry.name import ours

UNKNOWN = names.MISSING
"""What OpenTelemetry's conventions call a service without a name."""

NAME_LENGTH = 300

_SERVICE = (
    "service.name",
    "k8s.deployment.name",
    "k8s.statefulset.name",
    "k8s.daemonset.name",
    "k8s.container.name",
    "container.name",
    "faas.name",
)


@dataclass(frozen=True, slots=True)
class Origin:
    """The parts of the system that telemetry comes from; "" where the resource does not tell.

    ``service`` is ``namespace/name`` where a namespace is told, and "" only for what comes from a machine as such.
    """

    service: str
    pod: str
    node: str


def origin_of(resource: Resource) -> Origin:
    """The origin that a resource's attributes tell."""
    return origin_from({pair.key: text_of(pair.value)[:NAME_LENGTH] for pair in resource.attributes})


def origin_from(told: Mapping[str, str]) -> Origin:
    """The same from attributes as text, by the names of OpenTelemetry's semantic conventions.

    A container's host name is its pod's name in an orchestrator, and names no machine; else the host is the node, and
    the service's instance the pod.
    """
    service = _first(told, _SERVICE) or names.workload_of(told.get("k8s.pod.name", ""))
    host, in_container = told.get("host.name", ""), "container.id" in told or "k8s.pod.name" in told
    pod = _first(told, ("k8s.pod.name", "service.instance.id")) or (host if in_container else "")
    node = told.get("k8s.node.name", "") or ("" if in_container else host)
    if not service and (pod or not node):
        service = UNKNOWN
    return Origin(service if names.is_missing(service) or ours(service) else _in_namespace(told, service), pod, node)


def _in_namespace(told: Mapping[str, str], service: str) -> str:
    """The service with its namespace: as many may have a service of that name."""
    return names.joined(_first(told, ("service.namespace", "k8s.namespace.name")), service)


def text_of(value: AnyValue) -> str:
    """The value as text: text as it is, bytes as base64, lists and maps as JSON; an empty value is ""."""
    match value.WhichOneof("value"):
        case "string_value":
            return value.string_value
        case None:
            return ""
        case _:
            plain = plain_of(value)
            return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False, separators=(",", ":"))


def plain_of(value: AnyValue) -> object:
    """The value as JSON would have it. Nesting is bounded by what the decoder lets in."""
    match value.WhichOneof("value"):
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case "int_value":
            return value.int_value
        case "double_value":
            return value.double_value
        case "bytes_value":
            return base64.b64encode(value.bytes_value).decode()
        case "array_value":
            return [plain_of(item) for item in value.array_value.values]
        case "kvlist_value":
            return plain_map(value.kvlist_value.values)
        case _:
            return None


def plain_map(pairs: Iterable[KeyValue]) -> dict[str, object]:
    """Attributes as JSON would have them."""
    return {pair.key: plain_of(pair.value) for pair in pairs}


def _first(told: Mapping[str, str], keys: Iterable[str]) -> str:
    return next((told[key] for key in keys if not names.is_missing(told.get(key, ""))), "")
