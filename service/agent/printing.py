"""A localization as plain text: the tree of frames as it grows, the answer to paste into an incident channel, and the
whole transcript.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import assert_never

from service.agent.links import NO_LINKS, Links
from service.agent.localize import Outcome
from service.agent.prompt import SYSTEM
from service.domain.component import Component, ComponentKind, edge_ends
from service.domain.evidence import Evidence
from service.domain.fault import Fault
from service.domain.localization import Cause, Localization, Stop
from service.domain.move import Investigate, Malformed, PrintResults, ReportVerdict, ToolCall
from service.domain.transcript import Frame, Step, Transcript
from service.evidence.redaction import one_line
from service.evidence.statement import statement
from service.text import printable
from service.tools.naming import WHOLE_SYSTEM
from service.tools.specs import SIGNAL_OF

SHOWN_CAUSES = 5
SHOWN_EVIDENCE = 3  # of the first cause; the others are told by one row each
LONGEST_NAME = 60
LONGEST_LINE = 260
_INDENT = "  "
_MARGIN = "   "


def step_line(frame: Frame, step: Step) -> str:
    """One step of the growing tree, indented by the depth of its frame."""
    forced = " (last turn)" if step.forced else ""
    return printable(_line(f"{_INDENT * frame.depth}{_name(frame.component)}: {_said(frame, step)}{forced}"))


def answer_lines(outcome: Outcome, links: Links = NO_LINKS) -> Iterator[str]:
    """The ranked causes with their evidence, as one would tell them to colleagues, and where each can be seen."""
    return map(printable, _answer_lines(outcome, links))


def _answer_lines(outcome: Outcome, links: Links) -> Iterator[str]:
    said = outcome.localization
    yield _headline(said)
    if outcome.onset is not None and said.causes:
        yield f"It began about {outcome.onset:%Y-%m-%d %H:%M:%S} UTC."
    for place, cause in enumerate(said.causes[:SHOWN_CAUSES], start=1):
        yield ""
        yield from map(_line, _cause_lines(place, cause))
        told = (links.to(e, cause.component, outcome.window) for e in _shown(place, cause))
        yield from (f"{_MARGIN}see      {link}" for link in dict.fromkeys(filter(None, told)))
    yield ""
    if len(said.causes) > SHOWN_CAUSES:
        yield f"{len(said.causes) - SHOWN_CAUSES} less likely ones are not shown."
    yield from map(_line, _notes(said.notes))
    yield _footer(said)


def transcript_lines(transcript: Transcript) -> Iterator[str]:
    """Everything that the model saw and wrote, frame by frame."""
    return (printable(line) for text in _transcript_texts(transcript) for line in text.splitlines())


def _transcript_texts(transcript: Transcript) -> Iterator[str]:
    if not transcript.frames:
        return
    yield f"model {transcript.model}, rendering {transcript.rendering}, prompt {transcript.prompt_id}"
    yield f"system: {SYSTEM.get(transcript.rendering, '')}"
    for frame in transcript.frames:
        pad = _INDENT * frame.depth
        yield f"{pad}── frame {frame.id}: {frame.component.name}"
        yield from (f"{pad}  ? {line}" for line in frame.question.splitlines())
        for step in frame.steps:
            yield f"{pad}  #{step.number} {step.reply or '(nothing)'}{' (forced)' if step.forced else ''}"
            yield from (f"{pad}     {line}" for line in step.observation.splitlines())


def _said(frame: Frame, step: Step) -> str:
    """What a step did, in words; the names are those of the components, however the model calls them."""
    move = step.move
    names = [_name(component) for component in step.about]
    match move:
        case ToolCall():
            return f"{_looked_at(frame, step, move)} → {_found(step)}"
        case Investigate():
            return f"investigate {', '.join(names or move.targets)}"
        case ReportVerdict():
            return f"guilty of {_fault(move.fault)}" if move.guilty else "not guilty"
        case PrintResults():
            named = names if len(names) == len(move.causes) else [cause.component for cause in move.causes]
            told = (f"{name} ({_fault(cause.fault)})" for name, cause in zip(named, move.causes, strict=True))
            return f"answer: {', '.join(told)}"
        case Malformed():
            return f"no move: {move.reason}"
        case _:
            assert_never(move)


def _looked_at(frame: Frame, step: Step, call: ToolCall) -> str:
    signal = SIGNAL_OF[call.tool].value if call.tool in SIGNAL_OF else call.tool
    if frame.component in step.about and frame.parent is not None:
        return signal
    return f"{signal} of {', '.join(map(_name, step.about)) or _everything(call.target)}"


def _everything(target: str) -> str:
    return "everything" if target.strip() == WHOLE_SYSTEM else target


def _found(step: Step) -> str:
    if step.rows:
        return f"{len(step.rows)} finding{'s' if len(step.rows) > 1 else ''}"
    first, _, rest = step.observation.partition("\n")
    if first.endswith("(not recorded)"):
        return "not recorded"
    return "nothing unusual" if rest.startswith("nothing unusual") else first


def _headline(said: Localization) -> str:
    if not said.causes:
        blind = {"traces", "logs", "metrics"} <= {note.partition(":")[0] for note in said.notes if _is_missing(note)}
        return f"No cause found: {'there was no telemetry to look at' if blind else 'nothing unusual was seen'}."
    if said.unresolved:
        return "No cause stands out; these are the most suspicious."
    first = said.causes[0]
    return f"Most likely cause: {_who(first.component)} ({_fault(first.fault)})"


def _cause_lines(place: int, cause: Cause) -> Iterator[str]:
    yield f"{place}. {_who(cause.component)}: {_fault(cause.fault)}, confidence {_share(cause.confidence)}"
    if place == 1 or not cause.evidence:
        yield f"{_MARGIN}{cause.reason}"
    if len(cause.path) > 1:
        yield f"{_MARGIN}path     {' → '.join(map(_short, cause.path))}"
    yield from (_evidence_line(e, cause.component) for e in _shown(place, cause))


def _evidence_line(e: Evidence, of: Component) -> str:
    about = "" if e.component == of else f"{_name(e.component)}: "
    return f"{_MARGIN}{e.signal.value:<8} {about}{statement(e)}"


def _shown(place: int, cause: Cause) -> Sequence[Evidence]:
    return cause.evidence[: SHOWN_EVIDENCE if place == 1 else 1]


def _is_missing(note: str) -> bool:
    return "baseline" not in note


def _notes(notes: Sequence[str]) -> Iterator[str]:
    """Notes that say the same of several signals, as one."""
    parted = sorted((note.partition(": ")[::2] for note in notes), key=lambda parts: parts[1])
    for what, signals in groupby(parted, key=lambda parts: parts[1]):
        yield f"note: {', '.join(signal for signal, _ in signals)}: {what}"


def _footer(said: Localization) -> str:
    model = "" if said.model is None else f", model {said.model.name} {said.model.version}".rstrip()
    ended = "" if said.stop is Stop.ANSWERED else f", {said.stop.value.replace('_', ' ')}"
    work = f", {said.usage.frames} frames, {said.usage.turns} turns" if said.usage.turns else ""
    return f"ranked_by: {said.ranked_by.value}{model}{ended}{work}, {said.seconds:.2f} s"


def _who(component: Component) -> str:
    kind = "" if component.kind in (ComponentKind.SERVICE, ComponentKind.EDGE) else f"{component.kind.value} "
    return f"{kind}{_name(component)}"


def _name(component: Component) -> str:
    if component.kind is ComponentKind.EDGE:
        return " → ".join(map(_short, edge_ends(component)))
    return _short(component.name)


def _short(name: str) -> str:
    """A name whose middle is left out where it is long: what tells names apart stands at either end."""
    name = one_line(name, len(name))
    half = LONGEST_NAME // 2
    return name if len(name) <= LONGEST_NAME else f"{name[: half - 1]}…{name[-half:]}"


def _fault(fault: Fault) -> str:
    return "unknown fault" if fault is Fault.UNKNOWN else fault.value


def _share(confidence: float) -> str:
    return "under 1%" if confidence < 0.005 else f"{confidence:.0%}"


def _line(text: str) -> str:
    """The text as one line that still can be read."""
    return text if len(text) <= LONGEST_LINE else f"{text[: LONGEST_LINE - 1]}…"
