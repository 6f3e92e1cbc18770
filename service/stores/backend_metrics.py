from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.stores.backend import Backend, Spent


class BackendMetrics(Collector):
    """What telemetry servers were asked, by what people call them; those of one name count together, and those that
    are not used any more still do. ``backends`` names the servers as they are when somebody looks.
    """

    def __init__(self, backends: Callable[[], Iterable[Backend]]) -> None:
        self._backends = backends
        self._known: set[Backend] = set()
        self._gone: dict[str, Spent] = {}

    def collect(self) -> Iterator[Metric]:
        """As it is now."""
        used = set(self._backends())
        for backend in self._known - used:
            self._gone[backend.name] = _sum([self._gone.get(backend.name, Spent()), backend.spent])
        self._known = used
        spent = dict(self._gone)
        for backend in used:
            spent[backend.name] = _sum([spent.get(backend.name, Spent()), backend.spent])
        alone = {backend.name for backend in used if backend.left_alone}
        yield _counted("requests", "Requests to telemetry servers, retries among them", spent, lambda s: s.requests)
        yield _counted("response_bytes", "Bytes of their answers, unpacked", spent, lambda s: s.bytes)
        yield _counted("failures", "Questions that they failed to answer as they should", spent, lambda s: s.failures)
        open_ = GaugeMetricFamily(
            "hypocenter_backend_breaker_open", "1 for one that is left alone for a while", labels=["backend"]
        )
        for name in spent:
            open_.add_metric([name], name in alone)
        yield open_


def _sum(parts: Iterable[Spent]) -> Spent:
    whole = Spent()
    for part in parts:
        whole.requests += part.requests
        whole.bytes += part.bytes
        whole.failures += part.failures
    return whole


def _counted(name: str, told: str, spent: dict[str, Spent], number: Callable[[Spent], int]) -> Metric:
    family = CounterMetricFamily(f"hypocenter_backend_{name}", told, labels=["backend"])
    for backend, of in spent.items():
        family.add_metric([backend], number(of))
    return family
