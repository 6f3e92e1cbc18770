"""Families of incidents. Training draws from one, and from `FIELD` as much as a recipe says; each of the others holds
back something that training never sees.
"""

from dataclasses import dataclass
from enum import StrEnum

from service.errors import CallerError


class Shape(StrEnum):
    """How the services of a system hang together."""

    TREE = "tree"  # callers are picked at random, those that call little first
    TIERS = "tiers"  # a few layers; each calls the next
    CHAIN = "chain"  # few branches, long ways
    HUB = "hub"  # nearly everything goes through one or two services
    EVENTS = "events"  # most calls between services are messages


@dataclass(frozen=True, slots=True)
class Family:
    """What incidents of a family are drawn from. ``unseen_ways`` are mechanisms of faults, ``unseen_nuisances``
    disturbances that belong to no other family. ``field`` adds what real installations have: baselines that drift, lie
    hours away or are a minute long, coarse metrics, rolling releases, rare paths, sick replicas, lost statements.
    """

    name: str
    shapes: tuple[Shape, ...] = (Shape.TREE, Shape.TIERS)
    unseen_ways: bool = False
    unseen_nuisances: bool = False
    field: bool = False


TRAINING = Family("train")
FIELD = Family("field", field=True)
HELD_OUT = (
    Family("chain", (Shape.CHAIN,)),
    Family("hub", (Shape.HUB,)),
    Family("events", (Shape.EVENTS,)),
    Family("ways", unseen_ways=True),
    Family("nuisances", unseen_nuisances=True),
)


def families() -> tuple[Family, ...]:
    """All of them, the one for training first."""
    return (TRAINING, *HELD_OUT, FIELD)


def family_of(name: str) -> Family:
    """The family of that name. Raises `CallerError` if there is none."""
    for family in families():
        if family.name == name:
            return family
    raise CallerError(f"family {name}: is none of {', '.join(family.name for family in families())}")
