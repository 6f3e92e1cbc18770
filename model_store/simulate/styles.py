"""How systems tell about themselves: what they record, and what they call it."""

from dataclasses import dataclass

import numpy as np

Names = tuple[tuple[str, str, float], ...]

MEASURES: dict[str, Names] = {
    "cpu": (
        ("cpu_usage", "millicores", 1.0),
        ("container.cpu.utilization", "%", 0.1),
        ("container_cpu_usage", "cores", 1e-3),
        ("process_cpu_seconds_rate", "", 1e-3),
    ),
    "memory": (
        ("memory_usage", "MB", 1.0),
        ("container.memory.rss", "bytes", 1e6),
        ("container_memory_working_set", "bytes", 1e6),
        ("jvm_memory_used_bytes", "bytes", 1e6),
    ),
    "network": (
        ("network_receive", "kB/s", 1.0),
        ("container.network.io.receive", "By/s", 1e3),
        ("container_network_receive_bytes", "bytes/s", 1e3),
    ),
    "disk": (
        ("disk_io", "kB/s", 1.0),
        ("container.filesystem.writes", "By/s", 1e3),
        ("container_fs_writes", "bytes/s", 1e3),
    ),
    "restarts": (("restarts", "", 1.0), ("k8s.container.restarts", "{restart}", 1.0), ("container_restarts", "", 1.0)),
    "up": (("up", "", 1.0), ("ready", "", 1.0), ("kube_pod_status_ready", "", 1.0)),
    "loop": (("event_loop_lag", "s", 1e-6), ("nodejs_eventloop_lag_seconds", "s", 1e-6), ("scheduler_lag", "ms", 1e-3)),
    "pool_used": (
        ("db_client_connections_used", "", 1.0),
        ("hikaricp_connections_active", "", 1.0),
        ("pool_connections_in_use", "", 1.0),
    ),
    "pool_waiting": (
        ("db_client_connections_pending_requests", "", 1.0),
        ("hikaricp_connections_pending", "", 1.0),
        ("pool_waiting", "", 1.0),
    ),
    "lag": (
        ("messaging_consumer_lag", "messages", 1.0),
        ("kafka_consumergroup_lag", "", 1.0),
        ("queue_depth", "", 1.0),
    ),
    "requests": (
        ("http_server_requests", "1/s", 1.0),
        ("requests", "1/s", 1.0),
        ("request_count", "1/s", 1.0),
        ("rpc.server.calls", "1/s", 1.0),
    ),
    "failures": (
        ("http_server_request_failures", "1/s", 1.0),
        ("request_errors", "1/s", 1.0),
        ("rpc.server.errors", "1/s", 1.0),
    ),
    "latency_mean": (
        ("http_server_request_duration_mean", "s", 1e-6),
        ("latency_Average", "s", 1e-6),
        ("rpc.server.duration.mean", "ms", 1e-3),
    ),
    "latency_high": (
        ("http_server_request_duration_p90", "s", 1e-6),
        ("PodServerLatencyP95", "s", 1e-6),
        ("latency_p99", "ms", 1e-3),
    ),
    "edge_latency": (
        ("http_client_request_duration_mean", "s", 1e-6),
        ("upstream_rq_time", "ms", 1e-3),
        ("outgoing_call_duration", "s", 1e-6),
    ),
    "edge_failures": (
        ("http_client_request_failures", "1/s", 1.0),
        ("upstream_rq_5xx", "1/s", 1.0),
        ("outgoing_call_errors", "1/s", 1.0),
    ),
    "store_up": (("store_up", "", 1.0), ("db_up", "", 1.0)),
    "store_clients": (("connected_clients", "", 1.0), ("sessions_active", "", 1.0), ("db_connections", "", 1.0)),
    "store_commands": (("commands_processed", "1/s", 1.0), ("transactions", "1/s", 1.0), ("db_ops", "1/s", 1.0)),
    "store_locks": (("locks_waiting", "", 1.0), ("innodb_row_lock_waits", "", 1.0)),
    "node": (
        ("node_cpu_usage_rate", "%", 1.0),
        ("k8s.node.cpu.utilization", "%", 1.0),
        ("node_cpu_utilization", "", 1e-2),
    ),
    "node_load": (("node_load1", "", 0.06), ("system.cpu.load_average.1m", "", 0.06)),
    "node_disk": (("node_disk_written", "bytes/s", 1e3), ("system.disk.io", "By/s", 1e3)),
    "node_retransmits": (("node_netstat_Tcp_RetransSegs", "1/s", 1.0), ("system.network.dropped", "{packet}/s", 1.0)),
    "node_memory": (("node_memory_used", "bytes", 1e6), ("system.memory.usage", "By", 1e6)),
}
"""Of each thing measured the name, unit and scale under which the common conventions report it."""

_CHANCES = {"cpu": 0.95, "memory": 0.9, "network": 0.4, "disk": 0.5}
"""How likely each is measured; the others, as much as the system measures at all."""

_OF_REQUESTS = frozenset(
    "requests failures latency_mean latency_high edge_latency edge_failures loop pool_used pool_waiting lag".split()
)
_LEFT_OUT = (frozenset[str](), frozenset(MEASURES) - _OF_REQUESTS, _OF_REQUESTS)
"""Some systems measure resources only, others requests only."""

STATEMENTS = ("SELECT", "UPDATE", "INSERT", "GET", "SET", "HGETALL", "find", "query")


@dataclass(frozen=True, slots=True)
class Style:
    """How a system tells about itself: no two are instrumented alike.

    ``measures`` maps what is measured to its name, unit and scale; what is not in it has no series. ``rate_scrapes``
    is how many samples' time a rate is taken over; if
    ``by_service``, series are about services, not pods. Where ``verbs`` is set, spans of calls are called like the
    verb.
    """

    client_spans: bool
    leaf_spans: bool
    statuses: bool
    kinds: bool
    nodes_in_spans: bool
    severities: bool
    verbs: bool
    measures: dict[str, tuple[str, str, float]]
    rate_scrapes: int
    by_service: bool


def random_style(rng: np.random.Generator) -> Style:
    """A style; systems that measure much measure it in one convention, mostly."""
    much = 0.97 if rng.random() < 0.4 else float(rng.uniform(0.4, 1.0))
    left_out = _LEFT_OUT[int(rng.choice(len(_LEFT_OUT), p=[0.7, 0.18, 0.12]))]
    convention = int(rng.integers(4))
    measures: dict[str, tuple[str, str, float]] = {}
    for measure, names in MEASURES.items():
        chance = 0.0 if measure in left_out else _CHANCES.get(measure, much)
        place = convention if convention < len(names) and rng.random() < 0.8 else int(rng.integers(len(names)))
        if rng.random() < chance:
            measures[measure] = names[place]
    kinds = bool(rng.random() < 0.8)
    return Style(
        client_spans=bool(rng.random() < 0.8),
        leaf_spans=bool(rng.random() < 0.25),
        statuses=bool(rng.random() < 0.8),
        kinds=kinds,
        nodes_in_spans=bool(rng.random() < 0.6),
        severities=bool(rng.random() < 0.7),
        verbs=bool(rng.random() < 0.5),
        measures=measures,
        by_service=bool(rng.random() < 0.12),
        rate_scrapes=int(rng.choice([1, 2, 3, 4], p=[0.4, 0.2, 0.3, 0.1])),
    )
