"""What nodes and events tell: conditions, scaling, rollbacks, evictions."""

import re
from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from service.stores.kubernetes.naming import Names, owner_name
from service.stores.kubernetes.objects import Condition, Event, Node, ReplicaSet
from service.stores.kubernetes.rollouts import images
from service.stores.kubernetes.row import Row
from service.stores.validation import name_of

ROLLOUT = timedelta(minutes=15)
"""For so long after a new revision, scaling is how it is rolled out."""
CREATED = timedelta(seconds=5)
"""So soon a new revision has its first pods; who waits for longer scales."""
AUTOSCALED = timedelta(minutes=1)
"""So near to what an autoscaler says, the workload says the same again."""

RESCALED = "SuccessfulRescale"

Workload = tuple[str, str]
"""Namespace and name."""

_SET = re.compile(r"Scaled (?P<way>up|down) replica set (?P<name>\S+)(?: from (?P<before>\d+))?")
_EVICTED = frozenset({"Evicted", "Preempted", "Preempting", "TaintManagerEviction"})
_OF_NODES = {"Rebooted": "restart", "OOMKilling": "restart", "SystemOOM": "restart", "NodeNotSchedulable": "config"}


def conditions(nodes: Iterable[Node]) -> Iterator[Row]:
    """A row for each condition of a node that is as it should not be, and for nodes that are ready (again)."""
    for node in nodes:
        for condition in node.status.conditions:
            if condition.last_transition_time is not None and (told := _told(condition)):
                kind, what = told
                because = condition.message or condition.reason
                summary = f"node {node.metadata.name} {what}" + (f": {because}" if because else "")
                yield Row(condition.last_transition_time, name_of(node.metadata.name), kind, summary)


def _told(condition: Condition) -> tuple[str, str] | None:
    match condition.type, condition.status:
        case "Ready", "True":
            return "restart", "became ready"
        case "Ready", _:
            return "restart", "is not ready"
        case name, "True":
            return "scale", f"has {name}"
        case _:
            return None


class Happenings:
    """Events, seen beside the revisions that explain some of them."""

    def __init__(self, events: Iterable[Event], revisions: Iterable[ReplicaSet], names: Names) -> None:
        self._names = names
        self._events = [(time, event) for event in events if (time := event.time) is not None]
        self._revisions = {(r.metadata.namespace, r.metadata.name): r for r in revisions}
        self._made: dict[Workload, list[datetime]] = defaultdict(list)
        self._autoscaled: dict[Workload, list[datetime]] = defaultdict(list)
        self._resized: dict[Workload, dict[str, list[datetime]]] = defaultdict(lambda: defaultdict(list))
        self._raised: dict[Workload, dict[str, list[datetime]]] = defaultdict(lambda: defaultdict(list))
        self._index()

    def _index(self) -> None:
        """When what happened to each workload, in order."""
        self._events.sort(key=lambda timed: timed[0])
        for (namespace, name), revision in self._revisions.items():
            if (made := revision.metadata.creation_timestamp) is not None:
                insort(self._made[namespace, owner_name(revision.metadata.owner, name)], made)
        for time, event in self._events:
            if event.reason == RESCALED:
                self._autoscaled[_workload(event)].append(time)
            elif found := _SET.match(event.message):
                self._resized[_workload(event)][found["name"]].append(time)
                if found["way"] == "up":
                    self._raised[_workload(event)][found["name"]].append(time)

    def rows(self) -> Iterator[Row]:
        """A row for each event that is a change."""
        for time, event in self._events:
            yield from self._row(time, event)

    def _row(self, time: datetime, event: Event) -> Iterator[Row]:
        about = event.involved_object
        if event.reason == RESCALED:
            yield Row(time, self._names.of_workload(about.namespace, about.name), "scale", event.message)
        elif about.kind == "Node" and event.reason in _OF_NODES:
            what = f"node {about.name}: {event.reason}, {event.message}"
            yield Row(time, name_of(about.name), _OF_NODES[event.reason], what)
        elif about.kind == "Pod" and event.reason in _EVICTED:
            service = self._names.of_pod_name(about.namespace, about.name)
            yield Row(time, service, "restart", f"pod {about.name}: {event.reason}, {event.message}")
        elif found := _SET.match(event.message):
            yield from self._scaling(time, event, found)

    def _scaling(self, time: datetime, event: Event, found: "re.Match[str]") -> Iterator[Row]:
        """Scaling by hand, or a rollback: pods of a revision that is not the newest. What is rolled out, or scaled by
        an autoscaler, is told of already.
        """
        workload, name = _workload(event), found["name"]
        if _any(self._autoscaled[workload], time - AUTOSCALED, time + AUTOSCALED):
            return
        revision, resized = self._revisions.get((workload[0], name)), self._resized[workload]
        made = None if revision is None else revision.metadata.creation_timestamp
        others = (times for other, times in resized.items() if other != name)
        replaces = any(_any(times, time - ROLLOUT, time + ROLLOUT) for times in others)
        if revision is not None and replaces:
            again = found["way"] == "up" and not _any(self._raised[workload][name], time - ROLLOUT, time - _MOMENT)
            if again and made is not None and _any(self._made[workload], made + _MOMENT, time):
                what = f"rolled back to revision {revision.number}, {images(revision.template)}"
                yield Row(time, self._names.of_workload(*workload), "deploy", what)
            return
        if not self._begins(workload, time, found, made):
            yield Row(time, self._names.of_workload(*workload), "scale", event.message)

    def _begins(self, workload: Workload, time: datetime, found: "re.Match[str]", made: datetime | None) -> bool:
        """Whether these are the first pods of a revision, or some of a rollout of which more is not known."""
        if made is None:
            return _any(self._made[workload], time - ROLLOUT, time + AUTOSCALED)
        if found["before"] is not None:
            return found["before"] == "0" and time - made <= ROLLOUT
        return time - made <= CREATED


_MOMENT = timedelta(microseconds=1)


def _any(times: Sequence[datetime], first: datetime, last: datetime) -> bool:
    """Whether any of the times, which are in order, lies between these."""
    return bisect_right(times, last) > bisect_left(times, first)


def _workload(event: Event) -> Workload:
    return event.involved_object.namespace, event.involved_object.name
