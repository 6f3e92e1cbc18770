"""Where a piece of evidence can be looked at: addresses in the user's own Grafana, Jaeger or Kibana, from templates.

In a template ``{service}`` and the like (`PLACES`) stand for what the evidence is about; all else is as it is, other
braces too: ``https://jaeger.example/search?service={service}&start={start_us}&end={end_us}``.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote, urlsplit

from service.domain.component import Component, ComponentKind, edge_ends
from service.domain.evidence import Evidence, Signal
from service.domain.window import Window, rfc3339

UNITS_US: Final = {"s": 1_000_000, "ms": 1000, "us": 1}
PLACES: Final = (
    *("service", "component", "pod", "node", "caller", "callee", "operation", "metric"),
    *("start", "end", "start_s", "end_s", "start_ms", "end_ms", "start_us", "end_us", "start_ns", "end_ns"),
)
CHANGES_BEFORE: Final = timedelta(hours=1)
"""A change may lie before the time under suspicion."""

_SUBJECTS: Final = {Signal.TRACES: "operation", Signal.METRICS: "metric"}
_PLACE: Final = re.compile(r"\{(\w+)\}")
_STAYS: Final = ":/?#[]@!$&'()*+,;=%~"
"""What of a template is part of an address as it is."""
_BREAKS_OUT: Final = re.compile(r"[\"'`\\!\x00-\x1f\x7f]")
"""By these a name that a stranger chose could end the text of a query that it stands in, whatever its language."""


@dataclass(frozen=True, slots=True)
class Template:
    """An address with places; raises `ValueError` for one that cannot be filled, or that would let telemetry choose
    the host.
    """

    text: str

    def __post_init__(self) -> None:
        if not self.text.startswith(("http://", "https://")):
            raise ValueError("should begin with http:// or https://")
        if "{" in urlsplit(self.text).netloc:
            raise ValueError("has a place in its host, which is the same for all evidence")
        if unknown := [name for name in _PLACE.findall(self.text) if name not in PLACES]:
            raise ValueError(f"{{{unknown[0]}}} is no place of a link, which are {', '.join(PLACES)}")

    def filled(self, values: Mapping[str, str]) -> str:
        """The address; "" where a value is missing, or could break out of where it stands."""
        wanted = [values.get(name, "") for name in _PLACE.findall(self.text)]
        if not all(wanted) or any(_BREAKS_OUT.search(value) for value in wanted):
            return ""
        between = [quote(part, safe=_STAYS) for part in _PLACE.split(self.text)[::2]]
        return "".join(map("".join, zip(between, [*(quote(value, safe="") for value in wanted), ""], strict=True)))


@dataclass(frozen=True, slots=True)
class Links:
    """Templates of each signal; the first that can be filled is taken."""

    templates: Mapping[Signal, Sequence[Template]] = field(default_factory=dict[Signal, Sequence[Template]])

    def to(self, evidence: Evidence, owner: Component, window: Window) -> str:
        """The address at which the evidence can be looked at; "" where there is none. ``owner`` is the component whose
        cause it supports.
        """
        values = dict(_values(evidence, owner, window))
        filled = (template.filled(values) for template in self.templates.get(evidence.signal, ()))
        return next(filter(None, filled), "")


NO_LINKS: Final = Links()


def _values(evidence: Evidence, owner: Component, window: Window) -> Iterator[tuple[str, str]]:
    component = evidence.component
    yield "component", component.name
    match component.kind:
        case ComponentKind.SERVICE:
            yield "service", component.name
        case ComponentKind.EDGE:
            caller, callee = edge_ends(component)
            yield from (("caller", caller), ("callee", callee), ("service", callee))
        case ComponentKind.POD:
            yield "pod", component.name
            yield "service", owner.name if owner.kind is ComponentKind.SERVICE else ""
        case ComponentKind.NODE:
            yield "node", component.name
    if evidence.signal in _SUBJECTS:
        yield _SUBJECTS[evidence.signal], evidence.subject
    start = window.start - (CHANGES_BEFORE if evidence.signal is Signal.CHANGES else timedelta())
    yield from _times("start", start)
    yield from _times("end", window.end)


def _times(name: str, moment: datetime) -> Iterator[tuple[str, str]]:
    yield name, rfc3339(moment)
    since_us = (moment - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)
    yield from ((f"{name}_{unit}", str(since_us // us)) for unit, us in UNITS_US.items())
    yield f"{name}_ns", str(since_us * 1000)
