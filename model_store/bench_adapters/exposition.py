"""Recorded metrics as the exporters told them before they were recorded: counters that only grow, histograms, gauges,
in the exporters' own units and under their own labels. What Prometheus makes of it is then for our questions to ask.
"""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from service.domain.component import EDGE_ARROW
from service.stores.embedded.decoded import microseconds

EARLIER = 4
"""Samples before the first: a rate needs a past."""
SERVED = "http_server_duration_milliseconds"
CALLED = "http_client_duration_milliseconds"
BOUNDS_MS = (0.5, 1, 2.5, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000)
KUBELET = {"job": "kubelet", "service": "kubelet", "instance": "10.0.0.1:10250"}
STATES = {"job": "kube-state-metrics", "service": "kube-state-metrics", "instance": "10.0.0.2:8080"}

Past = Sequence[tuple[float, float]]
"""Seconds since the epoch, and values."""
Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a series is, as `METRICS` has it."""

    component: str
    kind: str
    service: str

    def labels(self) -> dict[str, str]:
        """What its own exporter calls it."""
        match self.kind:
            case "edge":
                return {"job": "shop", "service": self.service, "peer": self.component.partition(EDGE_ARROW)[2]}
            case "node":
                return {"job": "node", "instance": f"{self.component}:9100", "nodename": self.component}
            case "pod":
                return {"job": "shop", "service": self.service, "pod": self.component}
            case _:
                return {"job": "stores", "service": self.service}

    def within(self, exporter: Labels) -> dict[str, str]:
        """What an exporter calls it that tells of the pods of others."""
        return {**exporter, "pod": self.component, "container": self.service}


@dataclass(frozen=True, slots=True)
class Exported:
    """A series of an exporter: what it is called there, and whether it ``grows`` by the recorded rate. ``teller`` is
    who tells of it, where that is not whom it is about.
    """

    name: str
    grows: bool = False
    teller: Labels | None = None

    def series(self, owner: Owner, past: Past) -> Iterator[str]:
        """Its lines."""
        labels = owner.labels() if self.teller is None else owner.within(self.teller)
        yield from _lines(self.name, labels, grown(past) if self.grows else past)


PLAIN = {
    "container_cpu_usage": Exported("container_cpu_usage_seconds_total", True, KUBELET),
    "container_fs_writes": Exported("container_fs_writes_bytes_total", True, KUBELET),
    "container_memory_working_set": Exported("container_memory_working_set_bytes", teller=KUBELET),
    "container_restarts": Exported("kube_pod_container_status_restarts_total", teller=STATES),
    "http_client_request_failures": Exported("http_client_request_failures_total", True),
    "event_loop_lag": Exported("event_loop_lag_seconds"),
    "messaging_consumer_lag": Exported("messaging_consumer_lag_messages"),
    "pg_transactions": Exported("pg_transactions_total", True),
    "redis_commands": Exported("redis_commands_processed_total", True),
    "node_memory_available": Exported("node_memory_MemAvailable_bytes"),
    "node_disk_written": Exported("node_disk_written_bytes_total", True),
}
"""Recorded series by their name there. One that is not here is a gauge of the same name."""

REQUESTS, ERRORS, P90 = "http_server_requests", "http_server_errors", "http_server_request_duration_p90"
MEAN, BUSY = "http_client_request_duration_mean", "node_cpu_utilization"


def openmetrics(metrics: pa.Table) -> str:
    """All of it (`METRICS`), as ``promtool tsdb create-blocks-from openmetrics`` reads it."""
    lines = (line for owner, pasts in _owned(metrics).items() for line in _told(owner, pasts))
    return "\n".join((*lines, "# EOF", ""))


def grown(past: Past) -> Past:
    """A counter that grew at these rates."""
    total, last_s, told = 0.0, past[0][0], list[tuple[float, float]]()
    for at_s, rate in past:
        total, last_s = total + rate * (at_s - last_s), at_s
        told.append((at_s, total))
    return told


def _owned(metrics: pa.Table) -> dict[Owner, dict[str, Past]]:
    pasts: defaultdict[Owner, defaultdict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    for row in metrics.to_pylist():
        owner = Owner(row["component"], row["kind"], row["service"])
        pasts[owner][row["metric"]].append((microseconds(row["time"]) / 1e6, row["value"]))
    return {owner: {name: _with_earlier(sorted(past)) for name, past in by.items()} for owner, by in pasts.items()}


def _with_earlier(past: Past) -> Past:
    if len(past) < 2:
        return past
    (first_s, value), step_s = past[0], min(b[0] - a[0] for a, b in itertools.pairwise(past))
    return [*((first_s - step_s * n, value) for n in range(EARLIER, 0, -1)), *past]


def _told(owner: Owner, pasts: Mapping[str, Past]) -> Iterator[str]:
    for name, past in pasts.items():
        match name:
            case "http_server_requests":
                yield from _served(owner, past, dict(pasts.get(ERRORS, ())), dict(pasts.get(P90, ())))
            case "http_server_errors" | "http_server_request_duration_p90":
                pass  # of the same histogram
            case "http_client_request_duration_mean":
                yield from _called(owner, past)
            case "node_cpu_utilization":
                idle = grown([(at_s, 1 - busy) for at_s, busy in past])
                yield from _lines("node_cpu_seconds_total", {**owner.labels(), "cpu": "0", "mode": "idle"}, idle)
            case _:
                yield from PLAIN.get(name, Exported(name)).series(owner, past)


def _called(owner: Owner, means: Past) -> Iterator[str]:
    """Calls at one a second, which take what they took in the mean."""
    yield from _lines(f"{CALLED}_count", owner.labels(), grown([(at_s, 1.0) for at_s, _ in means]))
    yield from _lines(f"{CALLED}_sum", owner.labels(), grown([(at_s, mean * 1000) for at_s, mean in means]))


def _served(owner: Owner, rates: Past, errors: Mapping[float, float], p90_s: Mapping[float, float]) -> Iterator[str]:
    """A histogram of as many requests and failures, and with the same 90th percentile."""

    def status(code: str, rate_at: Callable[[float, float], float]) -> Iterator[str]:
        labels = {**owner.labels(), "http_status_code": code}
        at_rates = [(at_s, max(0.0, rate_at(at_s, rate))) for at_s, rate in rates]
        yield from _lines(f"{SERVED}_count", labels, grown(at_rates))
        for place, bound in enumerate((*BOUNDS_MS, "+Inf")):
            below = [(at_s, rate * _shares(p90_s.get(at_s, 0.0) * 1000)[place]) for at_s, rate in at_rates]
            yield from _lines(f"{SERVED}_bucket", {**labels, "le": str(bound)}, grown(below))

    yield from status("200", lambda at_s, rate: rate - errors.get(at_s, 0.0))
    if any(errors.values()):
        yield from status("503", lambda at_s, _: errors.get(at_s, 0.0))


def _shares(p90_ms: float) -> list[float]:
    """The share of requests at or below each bound, and all, of which 90 % are taken for faster than that."""
    place = next((n for n, bound in enumerate(BOUNDS_MS) if p90_ms <= bound), len(BOUNDS_MS) - 1)
    lower = BOUNDS_MS[place - 1] if place else 0
    reached = min(1.0, (p90_ms - lower) / (BOUNDS_MS[place] - lower))
    # Within a bucket, Prometheus counts requests as spread evenly.
    below, until = ((0.9 - reached) / (1 - reached), 1.0) if reached < 0.9 else (0.0, 0.9 / reached)
    return [*[0.0] * (place - 1), *[below] * min(place, 1), *[until] * (len(BOUNDS_MS) - place), 1.0]


def _lines(name: str, labels: Labels, past: Iterable[tuple[float, float]]) -> Iterator[str]:
    told = ",".join(f'{label}="{text}"' for label, text in labels.items())
    return (f"{name}{{{told}}} {value:.9g} {at_s:.3f}" for at_s, value in past)
