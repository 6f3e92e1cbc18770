from collections.abc import Callable, Iterator

from service.domain.graph import ServiceGraph

LEAST_HOSTED = 3
LEAST_ELSEWHERE = 2
"""Services on a host, and elsewhere, below which they cannot be told apart by where they run."""


def slow_hosts(graph: ServiceGraph, slowness: Callable[[str], float]) -> Iterator[tuple[str, float]]:
    """Hosts, and by how much the share of services that are slow (``slowness`` of a service, 0 to 1) is larger among
    those that run only there than among those that run elsewhere.
    """
    placed = {name: graph.hosts[name] for name in graph.services if graph.hosts.get(name)}
    for node in graph.nodes():
        here = [slowness(name) for name, nodes in placed.items() if nodes == (node,)]
        elsewhere = [slowness(name) for name, nodes in placed.items() if node not in nodes]
        if len(here) >= LEAST_HOSTED and len(elsewhere) >= LEAST_ELSEWHERE:
            yield node, sum(here) / len(here) - sum(elsewhere) / len(elsewhere)
