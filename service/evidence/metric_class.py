"""What a time series speaks of, read from the words in its name and its unit.

The words are those of the exporters and conventions in common use (node exporter, cAdvisor, kube-state-metrics,
OpenTelemetry's semantic conventions, cloud vendors). A name that says nothing is "other".
"""

import re
from functools import lru_cache

CPU = "cpu"
MEMORY = "memory"
DISK = "disk"
NETWORK = "network"
LATENCY = "latency"
ERROR = "error"
TRAFFIC = "traffic"
RESTART = "restart"
POOL = "pool"
OTHER = "other"

# The first class with a word in the name wins: what went wrong is more telling than the resource that it happened to.
_WORDS: tuple[tuple[str, frozenset[str]], ...] = (
    (RESTART, frozenset("restart restarts oom oomkilled killed crashloop".split())),
    (
        ERROR,
        frozenset(
            "error errors err failure failures failed fail exception exceptions fault faults 5xx 4xx dropped drops "
            "drop success availability available up ready timeout timeouts rejected retries retransmits".split()
        ),
    ),
    (LATENCY, frozenset("latency duration latencies rt response p50 p90 p95 p99 quantile".split())),
    (CPU, frozenset("cpu processor throttled throttling load1 load5".split())),
    (MEMORY, frozenset("memory mem rss heap gc swap workingset".split())),
    (POOL, frozenset("pool connections lock locks waiting queue queued pending threads lag backlog sockets".split())),
    (NETWORK, frozenset(["network"])),
    (DISK, frozenset("disk fs filesystem io iops volume inode inodes fsync".split())),
    (NETWORK, frozenset("network net tcp udp receive transmit rx tx bandwidth packets packet".split())),
    (TRAFFIC, frozenset("requests request rps qps throughput calls count hits invocations ops".split())),
    (LATENCY, frozenset("seconds milliseconds elapsed time".split())),
)
_GOOD_WHEN_HIGH = frozenset("success availability available up ready free idle".split())
_PRESENCE = frozenset("up available ready".split())
_CALLING_END = frozenset("client upstream outgoing outbound egress".split())
_HOST_WORDS = frozenset("node host machine instance".split())
_SPLIT = re.compile(r"[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])")


def _words(name: str) -> tuple[str, ...]:
    return tuple(w.lower() for w in _SPLIT.split(name) if w)


@lru_cache(maxsize=4096)
def metric_class(name: str, unit: str = "") -> str:
    """The class of a series: cpu, memory, disk, network, latency, error, traffic, restart, pool or other."""
    words = set(_words(name))
    found = next((cls for cls, vocabulary in _WORDS if words & vocabulary), OTHER)
    return LATENCY if found in (OTHER, TRAFFIC) and unit in ("s", "ms", "us", "µs") else found


@lru_cache(maxsize=4096)
def good_when_high(name: str) -> bool:
    """Whether the series measures something that should be high: success, availability, what is free."""
    return bool(set(_words(name)) & _GOOD_WHEN_HIGH)


@lru_cache(maxsize=4096)
def presence(name: str) -> bool:
    """Whether the series says that something is there at all and answers whoever looks."""
    return bool(set(_words(name)) & _PRESENCE)


@lru_cache(maxsize=4096)
def about_callees(name: str) -> bool:
    """Whether the series is measured at the calling end: it speaks of the calls that a component makes."""
    return bool(set(_words(name)) & _CALLING_END)


@lru_cache(maxsize=4096)
def about_host(name: str) -> bool:
    """Whether the series describes the machine, even where it is reported for a pod: its name begins with the host."""
    return _words(name)[:1] != () and _words(name)[0] in _HOST_WORDS
