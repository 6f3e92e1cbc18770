"""Whom an alert is about: its labels as candidates, the likeliest first, before anything is known of telemetry.

Rules leave on an alert what the series had and what the scrape added, under the same names: ``service``, ``job``,
``pod`` may be the exporter's that tells of others. So the subject's own labels come before those of who tells of it,
and an exporter that tells of nothing but others (`_TELLS_OF_OTHERS`) is no candidate at all.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from service.domain import names
from service.domain.component import ComponentKind


class Candidate(NamedTuple):
    """A component that may be meant, in the words of the labels."""

    kind: ComponentKind
    name: str
    namespace: str = ""

    @property
    def guess(self) -> str:
        """What it is called where only the labels are known: of a pod its workload."""
        return (names.workload_of(self.name) or self.name) if self.kind is ComponentKind.POD else self.name


@dataclass(frozen=True, slots=True)
class Trusted:
    """Labels that are believed before the usual ones (a setting), the most trusted first."""

    service: tuple[str, ...] = ()
    pod: tuple[str, ...] = ()
    node: tuple[str, ...] = ()

    @classmethod
    def of(cls, lists: Mapping[str, Sequence[str]]) -> "Trusted":
        """The same from its lists by their names; one that is not there is empty."""
        return cls(**{name: tuple(labels) for name, labels in lists.items()})


NONE_TRUSTED: Final = Trusted()


@dataclass(frozen=True, slots=True)
class Subject:
    """Candidates, the likeliest first, and the namespace that all of them lie in, "" if it is not named."""

    candidates: tuple[Candidate, ...] = ()
    namespace: str = ""

    @property
    def guess(self) -> str:
        """The likeliest component by the labels alone, "" for none."""
        return self.candidates[0].guess if self.candidates else ""


SERVICE_LABELS: Final = (
    "service_name", "service", "application", "app", "app_kubernetes_io_name", "label_app_kubernetes_io_name",
    "label_app", "app_kubernetes_io_instance", "k8s_app", "kubernetes_name", "rollout", "deployment", "statefulset",
    "daemonset", "workload", "workload_name", "k8s_deployment_name", "k8s_statefulset_name", "k8s_daemonset_name",
    "replicaset", "replicationcontroller", "cronjob", "job_name", "k8s_cronjob_name", "k8s_job_name", "owner_name",
    "created_by_name", "horizontalpodautoscaler", "hpa", "scaledobject", "scaledObject",
)  # fmt: skip
"""What may name a service or the workload that it runs as: OpenTelemetry, Spring, Kubernetes' rule sets, Linkerd."""
POD_LABELS: Final = ("pod", "pod_name", "k8s_pod_name", "kubernetes_pod_name")
NODE_LABELS: Final = ("node", "k8s_node_name", "kubernetes_node", "nodename", "host_name", "hostname", "host")

_CALLED = (
    "destination_service_name", "destination_canonical_service", "destination_service", "destination_workload",
    "destination_app", "dst_service", "dst_deployment", "dst_statefulset", "dst_daemonset", "dst_workload_name",
    "envoy_cluster_name", "authority",
)  # fmt: skip
"""Who is called, where a mesh tells of calls: his failures are what is counted. Linkerd's inbound series tell of who is
called by ``deployment``, and have only ``authority`` of these."""
_CALLING = ("source_canonical_service", "source_workload", "source_app", "client")
_NAMESPACES = (
    "namespace", "k8s_namespace_name", "kubernetes_namespace", "destination_service_namespace",
    "destination_workload_namespace", "dst_namespace", "service_namespace",
)  # fmt: skip
_CLAIMS = ("persistentvolumeclaim",)
_CONTAINERS = ("container", "k8s_container_name", "container_name")
_AT_LAST = ("ingress", "consumergroup")
"""What often is named after a service."""
_SCRAPED = ("service", "app", "app_kubernetes_io_name", "app_kubernetes_io_instance", "k8s_app", "kubernetes_name")
"""Labels of `SERVICE_LABELS` that a scrape may have added: they are its target's then."""
_MADE_BY: Final[Mapping[str, Callable[[str], str]]] = {
    "replicaset": names.deployment_of,
    "job_name": lambda job: names.workload_of(job) or job,
    "k8s_job_name": lambda job: names.workload_of(job) or job,
}
"""Labels that name what a workload made, and how the workload is called then."""

_TELLS_OF_OTHERS = re.compile(
    r"kube-?state-?metrics|node[-_]?exporter|windows[-_]?exporter|cadvisor|kubelet|blackbox|push-?gateway"
    r"|(?:otel|opentelemetry)-?(?:contrib-?)?collector|linkerd-proxy|istio-proxy|envoy-stats|ingress"
    r"|^kubernetes-(?:pods|nodes|service-endpoints|services|apiservers|cadvisor)$",
    re.IGNORECASE,
)
_PROXY = re.compile(r"ingress|traefik|haproxy|envoy|gateway", re.IGNORECASE)
"""Who tells of others by their calls: ``service`` is whom he calls."""
_EXPORTER = re.compile(r"[-_]exporter(?:[-_]metrics)?$|^exporter[-_]|^exporter$", re.IGNORECASE)
_OF_OTHERS = re.compile(r"\b(?:kube|probe|container|kubelet)_[a-z]")
_OF_NODES = re.compile(r"\bnode_[a-z]")
_OF_TARGETS = re.compile(r"\bup\b")
_NODE_JOB = re.compile(r"node[-_]?exporter|windows[-_]?exporter", re.IGNORECASE)
_EXPORTED = "exported_"
"""What Prometheus calls a series' own label where the scrape's has the same name."""


def subject_of(labels: Mapping[str, str], expression: str = "", trusted: Trusted = NONE_TRUSTED) -> Subject:
    """The subject by the labels of an alert and, where it is known, what its rule asks."""
    known = {name: value.strip() for name, value in labels.items() if not names.is_missing(value)}
    own = {name.removeprefix(_EXPORTED): value for name, value in known.items() if name.startswith(_EXPORTED)}
    whole = {name: value for name, value in known.items() if not name.startswith(_EXPORTED)}
    reading = _Reading({**whole, **own}, whole, bool(own), expression)
    candidates = [*reading.trusted(known, trusted)]
    if own:
        exporting = _Reading(own, own, False, "")
        candidates += (*exporting.of_subject(), *exporting.of_target())
    candidates += reading.of_subject()
    if reading.of_nodes or (reading.of_others and not candidates):
        candidates += reading.of_node()
    if not (candidates and reading.of_others):
        candidates += (*reading.of_target(), *reading.of_node(), *reading.of_callers())
    return Subject(tuple(dict.fromkeys(candidates)), reading.namespace)


@dataclass(frozen=True, slots=True)
class _Reading:
    """``labels`` as they are meant, ``scraped`` as the scrape has them; ``exported``: whether the two differ."""

    labels: Mapping[str, str]
    scraped: Mapping[str, str]
    exported: bool
    expression: str

    @property
    def namespace(self) -> str:
        """The namespace, if one is named."""
        return next((self.labels[name] for name in _NAMESPACES if name in self.labels), "")

    @property
    def of_others(self) -> bool:
        """Whether the series were told by one who tells of others."""
        target = [self.scraped.get(name, "") for name in ("job", "metrics_path", *_SCRAPED)]
        exporter = any(_TELLS_OF_OTHERS.search(value) or _EXPORTER.search(value) for value in target)
        return self.exported or exporter or _OF_OTHERS.search(self.expression) is not None or self.of_nodes

    @property
    def of_nodes(self) -> bool:
        """Whether they tell of machines."""
        return _OF_NODES.search(self.expression) is not None or bool(_NODE_JOB.search(self.scraped.get("job", "")))

    def trusted(self, known: Mapping[str, str], trusted: Trusted) -> Iterator[Candidate]:
        """By the labels that somebody chose, as they stand."""
        yield from (self._service(known[name]) for name in trusted.service if name in known)
        yield from (self._at(ComponentKind.POD, known[name]) for name in trusted.pod if name in known)
        yield from (self._at(ComponentKind.NODE, known[name]) for name in trusted.node if name in known)

    def of_subject(self) -> Iterator[Candidate]:
        """By labels that are nobody's but the subject's."""
        if "direction" not in self.labels or self.labels["direction"] != "inbound":
            yield from self._services(_CALLED)
        if "client" in self.labels:  # of a service graph, in which the called one is the server
            yield from self._services(("server",))
        pods = [pod for name in POD_LABELS if (pod := self.labels.get(name)) and not self._tells(pod)]
        foreign = self._of_target(pods)
        yield from self._services(name for name in SERVICE_LABELS if name not in foreign)
        yield from (self._at(ComponentKind.POD, pod) for pod in pods)
        yield from self._services(name for name in _CONTAINERS if not self._tells(self.labels.get(name, "")))
        for claim in (self.labels[name] for name in _CLAIMS if name in self.labels):
            _, _, pod = claim.partition("-")  # a StatefulSet's claims: what is claimed, then the pod
            yield from (self._at(ComponentKind.POD, pod) for pod in (pod, claim) if pod)
        yield from self._services(_AT_LAST)

    def of_node(self) -> Iterator[Candidate]:
        """By labels that name a machine; of series about machines the instance is one."""
        yield from (self._at(ComponentKind.NODE, self.labels[name]) for name in NODE_LABELS if name in self.labels)
        host = names.host_of(self.labels.get("instance", ""))
        if host and self.of_nodes:
            yield self._at(ComponentKind.NODE, host)

    def of_target(self) -> Iterator[Candidate]:
        """By what was scraped, or probed."""
        about_it = _OF_TARGETS.search(self.expression) is not None
        for name in ("instance", "target"):
            host = names.host_of(self.labels.get(name, ""))
            if self.of_others and (names.in_cluster(host)[1] or (host and "." not in host)):
                yield self._service(host)
        for name in (*_SCRAPED, *_CONTAINERS, "job"):
            value = self.labels.get(name, "")
            if value and (about_it or not _TELLS_OF_OTHERS.search(value)):
                yield self._service(value)
                if (measured := _EXPORTER.sub("", value)) not in ("", value):
                    yield self._service(measured)
        host = names.host_of(self.labels.get("instance", ""))
        if names.in_cluster(host)[1] or (host and "." not in host):
            yield self._service(host)

    def of_callers(self) -> Iterator[Candidate]:
        """By who called, where nobody else is named."""
        return self._services(_CALLING)

    def _of_target(self, pods: Sequence[str]) -> Sequence[str]:
        """Which of the labels that a scrape may have added are of who was scraped, where somebody else is meant: he
        tells of others, or he is the job and the pod is another's.
        """
        service, job = self.labels.get("service", ""), self.labels.get("job", "")
        if self.of_others and not self.exported and _PROXY.search(job):
            return [name for name in _SCRAPED if self._tells(self.labels.get(name, ""))]
        if self.of_others:
            return _SCRAPED
        other = bool(service) and service == job and bool(pods) and not any(_akin(service, pod) for pod in pods)
        return _SCRAPED if other else ()

    def _tells(self, value: str) -> bool:
        """Whether it is the name of who tells of others."""
        return bool(_TELLS_OF_OTHERS.search(value) or _EXPORTER.search(names.workload_of(value) or value))

    def _services(self, labels: Iterable[str]) -> Iterator[Candidate]:
        for name in labels:
            if value := self.labels.get(name):
                yield self._service(_MADE_BY[name](value) if name in _MADE_BY else value)

    def _service(self, value: str) -> Candidate:
        namespace, name = names.parted(value)
        host = names.host_of(name)
        within, service = names.in_cluster(host)
        if service:
            namespace, name = within, service
        elif host and not names.is_address(host) and ("|" in name or name.startswith(f"{host}:")):
            name = host
        return Candidate(ComponentKind.SERVICE, name, namespace or self.namespace)

    def _at(self, kind: ComponentKind, name: str) -> Candidate:
        return Candidate(kind, name, "" if kind is ComponentKind.NODE else self.namespace)


def _akin(one: str, other: str) -> bool:
    one, other = one.casefold(), (names.workload_of(other) or other).casefold()
    return one in other or other in one
