import re
from collections.abc import Mapping
from dataclasses import dataclass

from rapidfuzz import fuzz, process

from service.domain.component import EDGE_ARROW, Component, ComponentKind, edge, edge_ends, service
from service.domain.graph import ServiceGraph
from service.tools.quoting import plain

WHOLE_SYSTEM = "all"
ALIAS_ARROW = ">"
STRANGER = "x"  # the alias of a component that evidence names and the graph does not know
_NEAREST = 3


@dataclass(frozen=True, slots=True)
class Naming:
    """Which word stands for which component in one transcript, and back: no two components share a word.

    ``arrow`` joins caller and callee to the word of an edge. ``extent`` says which words exist at all, "" where
    there are too many to say it and the nearest ones are told instead. ``fence`` stands on either side of a word that
    a stranger chose; it need not be written back.
    """

    words: Mapping[Component, str]
    meant: Mapping[str, Component]
    calls: frozenset[tuple[str, str]]
    arrow: str
    extent: str = ""
    fence: str = ""

    def of(self, component: Component) -> str:
        """The word for a component; for one that the graph does not know, something that resolves to nothing."""
        if component.kind is ComponentKind.EDGE:
            return self.arrow.join(self.of(service(end)) for end in edge_ends(component))
        return self.fenced(self.words.get(component) or (STRANGER if self.extent else _spelled(component)))

    def fenced(self, word: str) -> str:
        """The word as data."""
        return f"{self.fence}{word}{self.fence}"

    def resolve(self, written: str) -> Component | None:
        """The component that a written word stands for, or None."""
        caller, arrow, callee = written.partition(self.arrow)
        if not arrow:
            return self._meant(caller)
        ends = (self._meant(caller), self._meant(callee))
        if ends[0] is None or ends[1] is None or (ends[0].name, ends[1].name) not in self.calls:
            return None
        return edge(ends[0].name, ends[1].name)

    def _meant(self, word: str) -> Component | None:
        return self.meant.get(word.strip().removeprefix(self.fence).removesuffix(self.fence))

    def existing(self, written: str) -> str:
        """What exists instead of a word that stands for nothing."""
        if self.extent:
            return f"there are {self.extent}"
        near = _nearest(written[:200], list(self.meant))
        return f"nearest are {', '.join(map(self.fenced, near))}" if near else "nothing is known here"


def aliases(graph: ServiceGraph) -> Naming:
    """Components as c0, c1, … (services, in the graph's order), n0, n1, … (nodes), c0/0, c0/1, … (pods of c0)."""
    words: dict[Component, str] = {service(s): f"c{i}" for i, s in enumerate(graph.services)}
    nodes = graph.nodes()
    words |= {Component(ComponentKind.NODE, n): f"n{i}" for i, n in enumerate(nodes)}
    seen: dict[str, int] = {}
    for pod, owner in graph.pods.items():
        if service(owner) in words:
            words[Component(ComponentKind.POD, pod)] = f"{words[service(owner)]}/{seen.setdefault(owner, 0)}"
            seen[owner] += 1
    counts = {"c": len(graph.services), "n": len(nodes)}
    extent = " and ".join(f"{letter}0 to {letter}{n - 1}" for letter, n in counts.items() if n)
    return _naming(words, graph, ALIAS_ARROW, extent or "no components")


def names(graph: ServiceGraph) -> Naming:
    """Components by their own names, made harmless and fenced in double quotes like all that strangers wrote; a second
    one of the same spelling gets a number.
    """
    everything = [service(s) for s in graph.services]
    everything += [Component(ComponentKind.NODE, n) for n in graph.nodes()]
    everything += [Component(ComponentKind.POD, p) for p in graph.pods]
    words: dict[Component, str] = {}
    taken = {WHOLE_SYSTEM, ""}
    for component in everything:
        words[component] = _free(_spelled(component), taken)
        taken.add(words[component])
    return _naming(words, graph, EDGE_ARROW, fence='"')


def _nearest(written: str, known: list[str]) -> list[str]:
    found: list[tuple[str, float, int]] = process.extract(written, known, scorer=fuzz.WRatio, limit=_NEAREST)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return [word for word, _, _ in found]


def _naming(
    words: Mapping[Component, str], graph: ServiceGraph, arrow: str, extent: str = "", fence: str = ""
) -> Naming:
    return Naming(words, {word: component for component, word in words.items()}, graph.calls, arrow, extent, fence)


def _spelled(component: Component) -> str:
    """A name without our own arrow in it, so that an edge's word has one reading."""
    return re.sub(r"\s", "_", plain(component.name)).replace("-›", "-")


def _free(word: str, taken: set[str]) -> str:
    candidates = (word, *(f"{word}~{i}" for i in range(2, len(taken) + 3)))
    return next(c for c in candidates if c not in taken)
