from dataclasses import dataclass, field
from typing import assert_never

from service.agent.frames import Awaited
from service.domain.component import Component
from service.domain.evidence import Evidence
from service.domain.move import Investigate, Malformed, Move, PrintResults, ReportVerdict, ToolCall
from service.domain.transcript import Frame
from service.tools import buckets
from service.tools.naming import WHOLE_SYSTEM
from service.tools.quoting import plain
from service.tools.rendering import ALIASES, Rendering
from service.tools.search import Answer, search
from service.tools.specs import SIGNAL_OF
from service.view.view import View

_ECHO_LIMIT = 40


@dataclass(slots=True)
class Desk:
    """Answers what frames ask, in the incident's rendering: tools, names that do not exist, verdicts folded in."""

    view: View
    rendering: Rendering
    asked: set[tuple[int, str, Component | None]] = field(default_factory=set[tuple[int, str, Component | None]])

    def search(self, frame: Frame, call: ToolCall) -> Answer:
        """What a search tool says; the second time in one frame, only that it has said so."""
        target = None if call.target.strip() == WHOLE_SYSTEM else self.component(call.target)
        if target is None and call.target.strip() != WHOLE_SYSTEM:
            return Answer(f"{self.unknown(call.target)}, or {WHOLE_SYSTEM}")
        if (frame.id, call.tool, target) in self.asked:
            return Answer("already shown above: nothing has changed, ask something else or end")
        self.asked.add((frame.id, call.tool, target))
        return search(self.view, self.rendering, SIGNAL_OF[call.tool], target)

    def resolve(self, written: str) -> Component | None:
        """The component that a written word means, as it is."""
        return self.rendering.naming.resolve(written)

    def component(self, written: str) -> Component | None:
        """The component that a written word means, collapsed to what is investigated: services and nodes."""
        found = self.resolve(written)
        return None if found is None else self.view.graph.owner(found)

    def named(self, move: Move) -> tuple[Component, ...]:
        """The components that a move names; the whole system is none."""
        found = (self.resolve(word) for word in _words(move))
        return tuple(component for component in found if component is not None)

    def unknown(self, written: str) -> str:
        """What to say to a word that means nothing."""
        naming, echo = self.rendering.naming, plain(written, _ECHO_LIMIT)
        return f"{naming.fenced(echo) if echo else 'nothing'} unknown: {naming.existing(written)}"

    def folded(self, awaited: Awaited) -> Answer:
        """Children's verdicts, a line each, with the rows that they rest on."""
        lines: list[str] = []
        rows: list[str] = []
        for line in awaited.lines:
            proof = [] if isinstance(line, str) else self._proof(line)
            lines.append(line if isinstance(line, str) else self._verdict(line, proof))
            rows += [e.id for e in proof]
        return Answer("\n".join(lines), tuple(dict.fromkeys(rows)))

    def _proof(self, frame: Frame) -> list[Evidence]:
        """The rows that a verdict cites, as far as its frame has seen them."""
        seen = frame.shown()
        cited = frame.verdict.rows if frame.verdict is not None else ()
        return [e for row in cited if row in seen and (e := self.view.row(row)) is not None]

    def _verdict(self, frame: Frame, proof: list[Evidence]) -> str:
        word = self.rendering.naming.of(frame.component)
        if frame.verdict is None or not frame.verdict.guilty:
            return f"{word} innocent"
        return " ".join((word, "guilty", frame.verdict.fault.value, *map(self._cited, proof)))

    def _cited(self, e: Evidence) -> str:
        return f"{e.id}:{buckets.score(e) if self.rendering.name == ALIASES else f'{e.score:.1f}'}"


def _words(move: Move) -> tuple[str, ...]:
    match move:
        case ToolCall():
            return (move.target,)
        case Investigate():
            return move.targets
        case PrintResults():
            return tuple(cause.component for cause in move.causes)
        case ReportVerdict() | Malformed():
            return ()
        case _:
            assert_never(move)
