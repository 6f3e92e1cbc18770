"""Whom the alerts of an incident are about, among what telemetry knows. Nothing is added to that."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from service.domain import names
from service.domain.alert import Alert
from service.domain.component import ComponentKind
from service.domain.graph import ServiceGraph
from service.domain.subject import Candidate
from service.text import printable

MOST_NOTES: Final = 3
LONGEST_TEXT: Final = 120

_SEPARATORS = re.compile(r"[-_.\s:]+")
_ADDED = re.compile(r"(?i)[-_](?:svc|headless|metrics|deployment|workload)$")
"""What people add to a service's name for what stands in front of it or makes its pods."""


def _first_of_host(name: str) -> str:
    """The host's own name where the name is that of a host in a domain."""
    return name.partition(".")[0] if name.count(".") >= 2 and name.islower() else name


def _machine(name: str) -> str:
    """A machine's name without its domain."""
    return name if names.is_address(name) else name.casefold().partition(".")[0]


_LADDER: Final[tuple[Callable[[str], str], ...]] = (
    lambda name: name,
    str.casefold,
    lambda name: _SEPARATORS.sub("", name.casefold()),
    lambda name: _first_of_host(name).casefold(),
    lambda name: _ADDED.sub("", name.casefold()),
    lambda name: names.without_version(name.casefold()),
)
"""Ways to write a name, each less exact than the one before: two names are the same in the first way in which exactly
one that is known is written alike. The last finds all versions of one service."""


@dataclass(frozen=True, slots=True)
class Alerting:
    """Services that the alerts are about, in the order of the alerts; notes on alerts about nothing that is known."""

    services: tuple[str, ...]
    notes: tuple[str, ...] = ()


def subjects(alerts: Sequence[Alert], graph: ServiceGraph, namespaces: Mapping[str, str]) -> Alerting:
    """Look the alerts' candidates up. ``namespaces`` are those of services, as far as telemetry tells them. Where no
    alert is about anything that is known, all services of a namespace that is named are.
    """
    known = _Known.of(graph, namespaces)
    matches = [(alert, known.services_of(alert.subject.candidates)) for alert in alerts]
    services = tuple(dict.fromkeys(name for _, of_one in matches for name in of_one))
    lost = [alert for alert, of_one in matches if not of_one]
    if services:
        return Alerting(services, _notes(lost, ""))
    there = tuple(dict.fromkeys(name for alert in lost for name in known.services_in(alert.subject.namespace)))
    looked = "its whole namespace is looked at" if there else "everything is looked at"
    return Alerting(there, _notes(lost, f": {looked}"))


def _notes(lost: Sequence[Alert], so: str) -> tuple[str, ...]:
    lines = list(dict.fromkeys(f"alert {_described(alert)}{so}" for alert in lost))
    more = len(lines) - MOST_NOTES
    return (*lines[:MOST_NOTES], *([f"{more} more alerts are about nothing that telemetry knows"] if more > 0 else ()))


def _described(alert: Alert) -> str:
    subject, title = alert.subject, printable(alert.labels.get("alertname", "without a name"))[:LONGEST_TEXT]
    named = ", ".join(f"{one.kind} {one.name}" for one in subject.candidates[:MOST_NOTES])
    where = f" in namespace {subject.namespace}" if subject.namespace else ""
    if not named:
        return f"{title} names no service, pod or node{where}"
    return f"{title} is about nothing that telemetry knows ({printable(named + where)[:LONGEST_TEXT]})"


@dataclass(frozen=True, slots=True)
class _Known:
    """What telemetry knows, by every way to write it."""

    graph: ServiceGraph
    namespaces: Mapping[str, str]
    written: Sequence[Mapping[str, Sequence[str]]]

    @classmethod
    def of(cls, graph: ServiceGraph, namespaces: Mapping[str, str]) -> "_Known":
        """An index of the graph."""
        rungs: list[dict[str, list[str]]] = [{} for _ in _LADDER]
        for service in graph.services:
            for rung, write in zip(rungs, _LADDER, strict=True):
                rung.setdefault(write(names.parted(service)[1]), []).append(service)
        return cls(graph, namespaces, rungs)

    def services_of(self, candidates: Sequence[Candidate]) -> tuple[str, ...]:
        """Those of the first candidate that is known."""
        return next((matches for one in candidates if (matches := self._services(one))), ())

    def services_in(self, namespace: str) -> list[str]:
        """All of a namespace, those first that nobody calls and that call the most."""
        there = [s for s in self.graph.services if namespace and self.namespaces.get(s) == namespace]
        return sorted(there, key=lambda s: (bool(self.graph.callers(s)), -len(self.graph.callees(s))))

    def _services(self, candidate: Candidate) -> tuple[str, ...]:
        match candidate.kind:
            case ComponentKind.NODE:
                return self._on_node(candidate.name)
            case ComponentKind.POD if candidate.name in self.graph.pods:
                return (self.graph.pods[candidate.name],)
            case ComponentKind.POD | ComponentKind.SERVICE | ComponentKind.EDGE:
                return self._of_name(candidate.guess, candidate.namespace)

    def _of_name(self, name: str, namespace: str) -> tuple[str, ...]:
        if (whole := names.joined(namespace, name)) in self.graph.services:
            return (whole,)
        for written, write in zip(self.written, _LADDER, strict=True):
            if matches := self._in_namespace(written.get(write(name), ()), namespace):
                one = len({names.parted(service)[1] for service in matches}) == 1
                return tuple(matches) if one or write is _LADDER[-1] else ()
        if namespace and name.startswith(f"{namespace}-"):
            return self._of_name(name.removeprefix(f"{namespace}-"), "")
        return ()

    def _in_namespace(self, services: Sequence[str], namespace: str) -> list[str]:
        """Those that may lie there: of a namespace that telemetry knows, no others."""
        if namespace not in self.namespaces.values():
            return list(services)
        return [service for service in services if self.namespaces.get(service, namespace) == namespace]

    def _on_node(self, name: str) -> tuple[str, ...]:
        """What runs there: a machine is called by its name, alone or with its domain."""
        nodes = self.graph.nodes()
        for write in (str, str.casefold, _machine):
            alike = [node for node in nodes if write(node) == write(name)]
            if len(alike) == 1:
                return self.graph.hosted(alike[0])
        return ()
