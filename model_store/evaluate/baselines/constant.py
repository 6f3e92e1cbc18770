"""Methods that look at no telemetry: what any other must beat."""

from service.domain.component import Component, ComponentKind, service
from service.view.view import View


def guess(view: View) -> dict[Component, float]:
    """Random: every service and node that the telemetry names, none more than another (scored by expectation)."""
    nodes = (Component(ComponentKind.NODE, name) for name in view.graph.nodes())
    return dict.fromkeys([*map(service, view.graph.services), *nodes], 0.0)


def alerting_service(view: View) -> dict[Component, float]:
    """The services that the alerts name, and nothing else."""
    names = view.incident.alerting_services
    return {service(name): -float(place) for place, name in enumerate(names)}
