from dataclasses import dataclass
from enum import StrEnum


class ComponentKind(StrEnum):
    """What a component is."""

    SERVICE = "service"
    POD = "pod"
    NODE = "node"
    EDGE = "edge"


EDGE_ARROW = "->"


@dataclass(frozen=True, slots=True, order=True)
class Component:
    """A part of the system that can be at fault; an edge is named ``caller->callee``."""

    kind: ComponentKind
    name: str

    def __str__(self) -> str:
        return self.name


def service(name: str) -> Component:
    """The service of that name."""
    return Component(ComponentKind.SERVICE, name)


def edge(caller: str, callee: str) -> Component:
    """The calls from one service to another."""
    return Component(ComponentKind.EDGE, f"{caller}{EDGE_ARROW}{callee}")


def edge_ends(component: Component) -> tuple[str, str]:
    """Caller and callee of an edge."""
    caller, _, callee = component.name.partition(EDGE_ARROW)
    return caller, callee
