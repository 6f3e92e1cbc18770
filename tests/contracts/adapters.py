"""Every adapter that asks a server over HTTP: an entry here, and the suite of faults (`test_faults`) runs over it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pyarrow as pa

from service.stores.backend import Backend
from service.stores.prometheus import PrometheusMetrics
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
)
