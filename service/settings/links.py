from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from service.agent.links import Template
from service.settings.values import Group


def _listed(told: object) -> object:
    return (told,) if isinstance(told, str) else told


def _sound(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        Template(text)  # raises for one that could not be filled
    return texts


Templates = Annotated[tuple[str, ...], BeforeValidator(_listed), AfterValidator(_sound)]
"""One address with places such as ``{service}`` and ``{start_ms}`` (`service.agent.links`), or several, of which the
first is taken that can be filled."""


class LinksSettings(Group):
    """Where people look at each kind of evidence: in their own Grafana, Jaeger or Kibana."""

    traces: Templates = ()
    logs: Templates = ()
    metrics: Templates = ()
    changes: Templates = ()
