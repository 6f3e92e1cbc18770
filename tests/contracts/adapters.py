"""Every adapter that asks a server over HTTP: an entry here, and the suite of faults (`test_faults`) runs over it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pyarrow as pa

from service.stores.backend import Backend
from service.stores.clickhouse import ClickHouse
from service.stores.elasticsearch import ElasticsearchLogs
from service.stores.jaeger import Jaeger
from service.stores.kubernetes.store import Kubernetes
from service.stores.loki import LokiLogs
from service.stores.prometheus import PrometheusMetrics
from service.stores.tempo import Tempo
from service.stores.victorialogs import VictoriaLogs
from tests.patience import PATIENT_PLAN
from tests.telemetry_rows import WINDOW


@dataclass(frozen=True, slots=True)
class Adapter:
    """``ask`` builds the adapter on a backend and puts the question of its port to it. ``empty`` is the body by which
    its server says that there is nothing, by the request's target (path and query). ``lies`` are bodies by which it
    tells an error although the status is 200, in any of its versions.
    """

    name: str
    ask: Callable[[Backend], Awaitable[pa.Table]]
    empty: Callable[[str], bytes]
    lies: tuple[bytes, ...] = ()


ADAPTERS = (
    Adapter(
        "Prometheus",
        lambda backend: PrometheusMetrics(backend).metrics(WINDOW),
        lambda _: b'{"status": "success", "data": []}',
        (b'{"status": "error", "errorType": "execution", "error": "out of memory"}', b'{"status": "success"}'),
    ),
    Adapter(
        "Jaeger",
        lambda backend: Jaeger(backend, PATIENT_PLAN).spans(WINDOW),
        lambda target: b'{"data": ["a"]}' if target.startswith("/api/services") else b'{"data": null, "errors": null}',
        (b'{"data": null, "errors": [{"code": 500, "msg": "out of memory"}]}',),
    ),
    Adapter(
        "Tempo", lambda backend: Tempo(backend, PATIENT_PLAN).spans(WINDOW), lambda _: b'{"traces": [], "metrics": {}}'
    ),
    Adapter(
        "Kubernetes",
        lambda backend: Kubernetes(backend).changes(WINDOW),
        lambda _: b'{"kind": "List", "metadata": {}, "items": []}',
        (b'{"kind": "Status", "status": "Failure", "message": "etcd leader changed"}', b"{}"),
    ),
    Adapter(
        "Loki",
        lambda backend: LokiLogs(backend, '{namespace="shop"}').logs(WINDOW),
        lambda _: b'{"status": "success", "data": {"resultType": "vector", "result": []}}',
        (b'{"status": "error", "error": "too many outstanding requests"}', b'{"status": "success"}'),
    ),
    Adapter(
        "Elasticsearch",
        lambda backend: ElasticsearchLogs(backend).logs(WINDOW),
        lambda _: b'{"timed_out": false, "hits": {"total": {"value": 0, "relation": "eq"}, "hits": []}}',
        (b'{"error": {"type": "search_phase_execution_exception"}, "status": 503}',),
    ),
    Adapter(
        "VictoriaLogs",
        lambda backend: VictoriaLogs(backend).logs(WINDOW),
        lambda _: b'{"lines": "0", "loud": "0"}',
        (b'{"lines": "3"}', b'{"error": "cannot read data"}'),
    ),
    Adapter(
        "ClickHouse",
        lambda backend: ClickHouse(backend).spans(WINDOW),
        lambda _: b'{"meta": [], "data": [[0]], "rows": 1}',
        (b"Code: 241. DB::Exception: Memory limit exceeded. (MEMORY_LIMIT_EXCEEDED)", b'{"data": [["a"]]}'),
    ),
)
