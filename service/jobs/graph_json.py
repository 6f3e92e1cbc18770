import json

from pydantic import TypeAdapter

from service.domain.graph import ServiceGraph

_READER = TypeAdapter(ServiceGraph)


def graph_json(graph: ServiceGraph) -> str:
    """The graph as JSON: what later collapses the names of an answer and of a verdict in the same way."""
    return json.dumps(
        {
            "services": graph.services,
            "calls": sorted(graph.calls),
            "pods": dict(graph.pods),
            "hosts": dict(graph.hosts),
        }
    )


def graph_of(text: str) -> ServiceGraph:
    """The graph of such JSON."""
    return _READER.validate_json(text)
