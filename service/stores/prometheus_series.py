"""Which series of a Prometheus tell how components are, under the names that OpenTelemetry's semantic conventions and
the common exporters give them. A name that is not there costs nothing: it is never asked for.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

Form = Literal["gauge", "rate", "increase", "histogram", "idle"]
About = Literal["component", "edge", "node"]


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels that say whose a series is, in the order in which they are believed; the first that is there counts.

    ``peer`` is what calls go to, ``status`` the answer's code.
    """

    service: tuple[str, ...] = ("service_name", "service", "app", "container", "job")
    pod: tuple[str, ...] = ("pod", "k8s_pod_name", "pod_name", "service_instance_id")
    node: tuple[str, ...] = ("node", "k8s_node_name", "nodename", "instance")
    peer: tuple[str, ...] = ("peer", "peer_service", "server_address", "destination_service_name")
    status: tuple[str, ...] = ("http_response_status_code", "http_status_code", "status_code", "status", "code")

    @property
    def owners(self) -> tuple[str, ...]:
        """All labels that say whose a series is."""
        return (*self.service, *self.pod, *self.node)


@dataclass(frozen=True, slots=True)
class Family:
    """A family of series: its name in Prometheus, its form, its unit once asked for, and who it is about.

    A ``gauge`` is taken as it is, a ``rate`` per second; ``increase`` is for what is rare, of which a rate says little:
    how often it happened within a few steps. A ``histogram`` gives rate, failures and 90th percentile; ``idle`` is a
    counter of seconds that a core did nothing. ``scale`` converts to the unit.
    """

    name: str
    form: Form
    unit: str
    about: About = "component"
    scale: float = 1.0

    @property
    def of_pods(self) -> bool:
        """Told by an exporter (kubelet, kube-state-metrics) about the pods of others, container by container."""
        return self.name.startswith(("container_", "kube_pod_"))


FAMILIES: tuple[Family, ...] = (
    Family("http_server_request_duration_seconds", "histogram", "s"),
    Family("http_server_duration_milliseconds", "histogram", "s", scale=0.001),
    Family("http_request_duration_seconds", "histogram", "s"),
    Family("http_server_requests_seconds", "histogram", "s"),
    Family("rpc_server_duration_milliseconds", "histogram", "s", scale=0.001),
    Family("grpc_server_handling_seconds", "histogram", "s"),
    Family("istio_request_duration_milliseconds", "histogram", "s", scale=0.001),
    Family("traces_spanmetrics_latency", "histogram", "s"),
    Family("http_client_request_duration_seconds", "histogram", "s", "edge"),
    Family("http_client_duration_milliseconds", "histogram", "s", "edge", 0.001),
    Family("rpc_client_duration_milliseconds", "histogram", "s", "edge", 0.001),
    Family("http_client_request_failures_total", "rate", "1/s", "edge"),
    Family("container_cpu_usage_seconds_total", "rate", "cores"),
    Family("container_cpu_cfs_throttled_seconds_total", "rate", "s/s"),
    Family("container_memory_working_set_bytes", "gauge", "bytes"),
    Family("container_fs_writes_bytes_total", "rate", "bytes/s"),
    Family("container_network_receive_bytes_total", "rate", "bytes/s"),
    Family("container_network_transmit_bytes_total", "rate", "bytes/s"),
    Family("kube_pod_container_status_restarts_total", "increase", ""),
    Family("process_cpu_seconds_total", "rate", "cores"),
    Family("process_resident_memory_bytes", "gauge", "bytes"),
    Family("jvm_gc_duration_seconds_sum", "rate", "s/s"),
    Family("event_loop_lag_seconds", "gauge", "s"),
    Family("db_client_connections_used", "gauge", ""),
    Family("db_client_connections_usage", "gauge", ""),
    Family("db_client_connections_pending_requests", "gauge", ""),
    Family("hikaricp_connections_pending", "gauge", ""),
    Family("messaging_consumer_lag_messages", "gauge", "messages"),
    Family("kafka_consumergroup_lag", "gauge", "messages"),
    Family("pg_locks_waiting", "gauge", ""),
    Family("pg_stat_activity_count", "gauge", ""),
    Family("pg_sessions_active", "gauge", ""),
    Family("pg_up", "gauge", ""),
    Family("redis_up", "gauge", ""),
    Family("redis_connected_clients", "gauge", ""),
    Family("redis_commands_processed_total", "rate", "1/s"),
    Family("store_up", "gauge", ""),
    Family("up", "gauge", ""),
    Family("node_cpu_seconds_total", "idle", "", "node"),
    Family("node_memory_MemAvailable_bytes", "gauge", "bytes", "node"),
    Family("node_load1", "gauge", "", "node"),
    Family("node_disk_written_bytes_total", "rate", "bytes/s", "node"),
    Family("node_pressure_cpu_waiting_seconds_total", "rate", "s/s", "node"),
    Family("node_pressure_io_waiting_seconds_total", "rate", "s/s", "node"),
)


@dataclass(frozen=True, slots=True)
class Question:
    """One range query, and what its answers are called."""

    metric: str
    unit: str
    about: About
    query: str
    scale: float = 1.0
    of_pods: bool = False


def questions(families: Collection[Family], there: Collection[str], labels: Labels, rate_s: int) -> Iterator[Question]:
    """What to ask, given the names that are there; rates are over ``rate_s`` seconds."""
    for family in families:
        first = f"{family.name}_count" if family.form == "histogram" else family.name
        if first in there:
            yield from _of_family(family, there, labels, f"[{rate_s}s]")


def _of_family(family: Family, there: Collection[str], labels: Labels, over: str) -> Iterator[Question]:
    by = ", ".join(dict.fromkeys((*labels.owners, *(labels.peer if family.about == "edge" else ()))))
    name, about = family.name, family.about
    if family.of_pods:
        yield _of_pods(family, labels, over)
        return
    match family.form:
        case "gauge":
            yield Question(name, family.unit, about, f"max by ({by}) ({name})", family.scale)
        case "rate" | "increase":
            query = f"sum by ({by}) ({family.form}({name}{over}))"
            yield Question(name.removesuffix("_total"), family.unit, about, query, family.scale)
        case "idle":
            query = f'1 - avg by ({by}) (rate({name}{{mode="idle"}}{over}))'
            yield Question("node_cpu_utilization", family.unit, about, query)
        case "histogram":
            yield from _of_histogram(family, there, labels, by, over)


def _of_pods(family: Family, labels: Labels, over: str) -> Question:
    """The sum of a pod's containers. What is told of the pod as a whole (its network, or all containers once more) has
    no container or "POD", and counts where nothing else is told; a container may also stand alone.
    """
    counts, name = family.form in ("rate", "increase"), family.name
    by = ", ".join(label for label in dict.fromkeys(labels.owners) if label != "container")

    def summed(selector: str, also: str = "") -> str:
        series = f"{family.form}({name}{{{selector}}}{over})" if counts else f"{name}{{{selector}}}"
        return f"sum by ({by}{also}) ({series})"

    parts = (summed('pod!="", container!~"|POD"'), summed('pod!=""'), summed('pod=""', ", container"))
    metric = name.removesuffix("_total") if counts else name
    return Question(metric, family.unit, family.about, " or ".join(parts), family.scale, of_pods=True)


def workload_of(pod: str) -> str:
    """The Deployment, StatefulSet or DaemonSet that made a pod, by how they name pods; "" for any other name."""
    workload = _MADE.sub("", pod)
    return workload if workload != pod else ""


_SAFE = "[bcdfghjklmnpqrstvwxz2456789]"
"""What Kubernetes makes names of, so that they never spell a word."""
_MADE = re.compile(rf"((-{_SAFE}{{6,10}})?-{_SAFE}{{5}}|-\d+)$")


def _of_histogram(family: Family, there: Collection[str], labels: Labels, by: str, over: str) -> Iterator[Question]:
    name, about = family.name, family.about
    count, total = f"sum by ({by}) (rate({name}_count{over}))", f"sum by ({by}) (rate({name}_sum{over}))"
    base = name.removesuffix("_seconds").removesuffix("_milliseconds")
    yield Question(f"{base}_requests", "1/s", about, count)
    if f"{name}_sum" in there:
        yield Question(f"{base}_mean", family.unit, about, f"{total} / ({count} > 0)", family.scale)
    if f"{name}_bucket" in there:
        query = f"histogram_quantile(0.9, sum by (le, {by}) (rate({name}_bucket{over})))"
        yield Question(f"{base}_p90", family.unit, about, query, family.scale)
    failed = " or ".join(f'rate({name}_count{{{label}=~"5.."}}{over})' for label in labels.status)
    yield Question(f"{base}_errors", "1/s", about, f"sum by ({by}) ({failed})")
