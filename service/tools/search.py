"""The search tools: what one signal says about a component, or about all of them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from service.domain.component import Component, ComponentKind, service
from service.domain.evidence import Evidence, Signal
from service.evidence.metric_class import metric_class
from service.tools.naming import WHOLE_SYSTEM
from service.tools.rendering import Rendering, price
from service.view.view import View

# Over the whole system, breadth is worth more than a third row about the same component, or a second of one kind.
ROWS_A_COMPONENT = 2
# And no kind should fill the answer: most series of a system are about latency.
ROWS_A_KIND = 4


@dataclass(frozen=True, slots=True)
class Answer:
    """What a tool says, and the ids of the evidence rows in it."""

    text: str
    rows: tuple[str, ...] = ()


def search(view: View, rendering: Rendering, signal: Signal, target: Component | None) -> Answer:
    """What a signal says about a component (None: about the whole system), worst first, within the rendering's budget.

    Of a component: its own evidence (its pods' and that of the calls into it), then a row for each neighbour that the
    failure may have come from, so that it can be followed.
    """
    page = _Page(rendering)
    if target is None:
        page.line(f"{signal.value} {WHOLE_SYSTEM}{_caveat(view, signal)}")
        everything = sum(e.signal is signal for e in view.evidence)
        page.worst(_spread(view, signal), everything, rendering.max_rows_anywhere)
        return page.answer()
    page.line(f"{signal.value} {rendering.naming.of(target)}{_caveat(view, signal)}")
    own = view.of(target, signal)
    page.worst(own, len(own), rendering.max_rows)
    for title, neighbours in _neighbourhood(view, target, signal):
        page.neighbours(title, neighbours, view, signal)
    return page.answer()


def _caveat(view: View, signal: Signal) -> str:
    """What must be known to read an answer about this signal: that it was not recorded, or against nothing."""
    compared = {Signal.TRACES: view.tables.spans, Signal.LOGS: view.tables.logs, Signal.METRICS: view.tables.metrics}
    if signal not in compared:
        return "" if view.tables.changes is not None else " (not recorded)"
    table = compared[signal]
    if table is None:
        return " (not recorded)"
    return " (no baseline)" if table.before is None else ""


def _spread(view: View, signal: Signal) -> list[Evidence]:
    """Worst first, of each component at most `ROWS_A_COMPONENT`, of each kind (class of metrics) `ROWS_A_KIND`; and no
    row twice of the same component and kind.
    """
    of_component: Counter[Component] = Counter()
    of_kind: Counter[str] = Counter()
    seen: set[tuple[Component, str]] = set()
    chosen: list[Evidence] = []
    for e in view.evidence:
        owner = view.graph.owner(e.component)
        kind = metric_class(e.subject, e.unit) if signal is Signal.METRICS else f"{e.kind} {e.severity}"
        full = of_component[owner] == ROWS_A_COMPONENT or of_kind[kind] == ROWS_A_KIND
        if e.signal is signal and not full and (owner, kind) not in seen:
            of_component[owner] += 1
            of_kind[kind] += 1
            seen.add((owner, kind))
            chosen.append(e)
    return chosen


def _neighbourhood(view: View, target: Component, signal: Signal) -> list[tuple[str, list[Component]]]:
    """Whom a failure may have come from or gone to: callees and callers for traces and logs, hosts for metrics."""
    graph = view.graph
    if target.kind is ComponentKind.NODE:
        return [("hosted", [service(s) for s in graph.hosted(target.name)])]
    if signal is Signal.METRICS:
        return [("hosts", [Component(ComponentKind.NODE, n) for n in graph.hosts.get(target.name, ())])]
    if signal is Signal.CHANGES:
        return []
    callees = [service(s) for s in graph.callees(target.name) if s != target.name]
    callers = [service(s) for s in graph.callers(target.name) if s != target.name]
    return [("callees", callees), ("callers", callers)]


@dataclass(slots=True)
class _Page:
    """An answer being written, line by line, as long as its budget lasts."""

    rendering: Rendering
    lines: list[str] = field(default_factory=list[str])
    shown: list[str] = field(default_factory=list[str])
    spent: int = 0

    def line(self, text: str) -> None:
        self.lines.append(text)
        self.spent += price(text)

    def has_room_for(self, text: str) -> bool:
        return self.spent + price(text) <= self.rendering.max_tokens

    def worst(self, evidence: Sequence[Evidence], total: int, limit: int) -> None:
        """Rows worst first, and how many were left out of ``total``."""
        written = self._rows(evidence, limit)
        if total == 0:
            self.line("nothing unusual")
        elif total > written:
            self.line(f"+{total - written} more")

    def neighbours(self, title: str, components: Sequence[Component], view: View, signal: Signal) -> None:
        """The strongest row of each neighbour, worst first; then who is quiet, and how many were left out."""
        if not components:
            return
        strongest = {c: next(iter(view.of(c, signal)), None) for c in components}
        loud = sorted((e for e in strongest.values() if e is not None), key=lambda e: -e.score)
        self.line(title)
        written = self._rows(loud, self.rendering.max_rows)
        if len(loud) > written:
            self.line(f"+{len(loud) - written} more")
        self._quiet([c for c, e in strongest.items() if e is None])

    def answer(self) -> Answer:
        return Answer("\n".join(self.lines), tuple(dict.fromkeys(self.shown)))

    def _rows(self, evidence: Iterable[Evidence], limit: int) -> int:
        written = 0
        for e in evidence:
            text = self.rendering.row(e)
            if written == limit or not self.has_room_for(text):
                break
            self.line(text)
            self.shown.append(e.id)
            written += 1
        return written

    def _quiet(self, components: Sequence[Component]) -> None:
        words = [self.rendering.naming.of(c) for c in components[: self.rendering.max_rows]]
        left_out = f" +{len(components) - len(words)} more" if len(components) > len(words) else ""
        if words:
            self.line(f"quiet {' '.join(words)}{left_out}")
