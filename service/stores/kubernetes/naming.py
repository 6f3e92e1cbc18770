"""What the pods of a workload are called in telemetry. OpenTelemetry's operator names services in the same order."""

import re
from collections.abc import Iterable, Iterator, Sequence

from service.domain import names
from service.stores.kubernetes.objects import Metadata, Owner, Pod, PodSpec, Template, Variable
from service.stores.validation import name_of

ANNOTATION = "resource.opentelemetry.io/service.name"
_SERVICE_NAME, _ATTRIBUTES = "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"
_FIELD = re.compile(r"metadata\.(?P<map>labels|annotations)\['(?P<key>[^']+)'\]")
_UNUSUAL = re.compile(r"[^a-zA-Z0-9_]")
"""What Prometheus writes as an underscore: a label that is named for both may be written its way."""


class Names:
    """Services by their pods. ``labels`` are asked before the workload's own name."""

    def __init__(self, labels: Sequence[str] = ()) -> None:
        self._labels = labels
        self._workloads: dict[tuple[str, str], str] = {}

    def learn(self, namespace: str, workload: str, template: Template) -> None:
        """Remember the service that a workload makes pods of."""
        self._workloads[namespace, workload] = self._service(template.metadata, template.spec, workload)

    def of_pod(self, pod: Pod) -> str:
        """The service of a pod."""
        return self._service(pod.metadata, pod.spec, workload_of(pod))

    def of_workload(self, namespace: str, workload: str) -> str:
        """The service of a workload; its own name where no pod of it was seen."""
        return self._workloads.get((namespace, workload)) or name_of(workload)

    def of_pod_name(self, namespace: str, pod: str) -> str:
        """The service of a pod that is no more, by the name that its workload gave it."""
        if (namespace, workload := names.workload_of(pod)) in self._workloads:
            return self.of_workload(namespace, workload)
        makers = [workload for ns, workload in self._workloads if ns == namespace and pod.startswith(f"{workload}-")]
        return self.of_workload(namespace, max(makers, key=len, default=pod))

    def _service(self, metadata: Metadata, spec: PodSpec, workload: str) -> str:
        return name_of(next(filter(None, self._told(metadata, spec)), workload))

    def _told(self, metadata: Metadata, spec: PodSpec) -> Iterator[str]:
        yield metadata.annotations.get(ANNOTATION, "")
        yield from _in_environment(metadata, spec)
        underscored = {_UNUSUAL.sub("_", label): value for label, value in metadata.labels.items()}
        yield from (underscored.get(_UNUSUAL.sub("_", label), "") for label in self._labels)


def workload_of(pod: Pod) -> str:
    """What made the pod: of a Deployment's pods the Deployment, of a pod that nobody made the pod itself."""
    owner = pod.metadata.owner
    if owner is None or owner.kind == "Node":
        return pod.metadata.name
    if owner.kind != "ReplicaSet":
        return owner.name
    of_template = pod.metadata.labels.get("pod-template-hash")
    return owner.name.removesuffix(f"-{of_template}") if of_template else names.deployment_of(owner.name)


def owner_name(owner: Owner | None, own_name: str) -> str:
    """The workload of something that a workload made."""
    return own_name if owner is None else owner.name


def _in_environment(metadata: Metadata, spec: PodSpec) -> Iterator[str]:
    telling = [v for container in spec.containers for v in container.env if v.name in (_SERVICE_NAME, _ATTRIBUTES)]
    yield from (_value(v, metadata) for v in telling if v.name == _SERVICE_NAME)
    yield from (name for v in telling if v.name == _ATTRIBUTES for name in _attribute(v.value.split(",")))


def _attribute(pairs: Iterable[str]) -> Iterator[str]:
    for pair in pairs:
        key, _, value = pair.partition("=")
        if key.strip() == "service.name" and "$(" not in value:
            yield value.strip()


def _value(variable: Variable, metadata: Metadata) -> str:
    """Its value, or that of the pod's field which it refers to; "" where that cannot be told."""
    if variable.value:
        return "" if "$(" in variable.value else variable.value
    reference = variable.value_from and variable.value_from.field_ref
    found = _FIELD.fullmatch(reference.field_path) if reference else None
    if found is None:
        return ""
    return (metadata.labels if found["map"] == "labels" else metadata.annotations).get(found["key"], "")
