"""Which series of a Prometheus tell how components are, under the names that OpenTelemetry's semantic conventions and
the common exporters give them. A name that is not there costs nothing: it is never asked for.
"""

from dataclasses import dataclass
from typing import Literal

from service.stores.prometheus_owner import ALSO

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
        """All labels that say whose a series is, or that they are another's."""
        return (*self.service, *self.pod, *self.node, *ALSO)


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
