"""Which services lie on one call path, and so may alert for one reason."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

JOINING = timedelta(minutes=5)
"""How far apart alerts may begin that one failure causes, and for how long after it opened an incident is joined by
what lies on its path: rules wait a minute or a few, Alertmanager half a minute. It is counted from the opening, so that
a storm that goes on for hours is no single incident."""

AGAIN = timedelta(minutes=3)
"""An alert that begins again so long after the beginning that was localized is a failure of its own, not a flap."""

HOPS = 3
"""How many calls a failure is followed. Farther away something else is the more likely reason, and where the services
between alert too, each is joined by its neighbour."""

WIDE = 20
"""A service that reaches more others than this alerts with everything: an edge, a gateway. It joins what it reaches,
and what it reaches joins it while it is alone; but it does not join two of them to each other. One that *is called* by
so many (a database, a login) does: when it fails, they all fail of it."""

MOST_SERVICES = 30
"""An incident of so many services is joined by no other group, so that no storm becomes a single incident, whatever the
topology says."""


@dataclass(frozen=True, slots=True)
class Kin:
    """Which services lie on one call path: one of them reaches the other along `HOPS` directed calls at most. Two that
    are merely called by the same one do not. Immutable; a service is its own kin, known or not.
    """

    reached: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    """Services that calls lead to from a service, within `HOPS`; itself is not among them."""
    reaching: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    """The same backwards."""
    within: timedelta = JOINING

    @classmethod
    def of(cls, calls: Iterable[tuple[str, str]], within: timedelta = JOINING) -> "Kin":
        """By who calls whom: pairs of caller and callee."""
        pairs = {(a, b) for a, b in calls if a and b and a != b}
        return cls(_near(pairs), _near({(b, a) for a, b in pairs}), within)

    def relatives(self, services: Iterable[str]) -> frozenset[str]:
        """These services and all that lie on one call path with one of them: an incident that none of them alerts in
        need not be looked at.
        """
        named = frozenset(services)
        none = frozenset[str]()
        return named.union(*(table.get(s, none) for s in named for table in (self.reached, self.reaching)))

    def joins(self, newcomers: frozenset[str], members: frozenset[str]) -> bool:
        """Whether services that begin to alert belong to those that alert already."""
        if not newcomers or len(newcomers | members) > MOST_SERVICES:
            return False
        narrow = frozenset(s for s in members if len(self.reached.get(s, ())) <= WIDE)
        return (
            not newcomers.isdisjoint(members)
            or self._lead(newcomers, members)  # they may alert because a member fails
            or self._lead(narrow or members, newcomers)  # one of them may be why a member alerts
        )

    def _lead(self, sources: frozenset[str], targets: frozenset[str]) -> bool:
        return any(not targets.isdisjoint(self.reached.get(source, frozenset())) for source in sources)


NO_KIN = Kin(within=timedelta(0))
"""Nothing joins anything."""


def _near(pairs: Iterable[tuple[str, str]]) -> dict[str, frozenset[str]]:
    """What is at most `HOPS` steps away, of all that a step leads away from."""
    steps: dict[str, set[str]] = {}
    for source, target in pairs:
        steps.setdefault(source, set()).add(target)
    return {source: _reach(source, steps) for source in steps}


def _reach(source: str, steps: Mapping[str, set[str]]) -> frozenset[str]:
    distance = {source: 0}
    queue = deque([source])
    while queue:
        here = queue.popleft()
        if distance[here] == HOPS:
            continue
        for there in steps.get(here, ()):
            if there not in distance:
                distance[there] = distance[here] + 1
                queue.append(there)
    return frozenset(distance) - {source}
