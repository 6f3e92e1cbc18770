"""A localization as plain text: the tree of frames as it grows, the answer to paste into an incident channel, and the
whole transcript.
"""

from collections.abc import Iterator
from typing import assert_never

from service.agent.localize import Outcome
from service.agent.prompt import SYSTEM
from service.domain.localization import Cause, Localization, RankedBy, Stop
from service.domain.move import Investigate, Malformed, Move, PrintResults, ReportVerdict, ToolCall
from service.domain.transcript import Frame, Step, Transcript
from service.evidence.statement import statement

SHOWN_CAUSES = 5
SHOWN_EVIDENCE = 3
_INDENT = "  "


def step_line(frame: Frame, step: Step) -> str:
    """One step of the growing tree, indented by the depth of its frame."""
    forced = " (forced)" if step.forced else ""
    rows = f" → {len(step.rows)} rows" if step.rows else ""
    return f"{_INDENT * frame.depth}{frame.component.name}: {_said(step.move)}{rows}{forced}"


def answer_lines(outcome: Outcome) -> Iterator[str]:
    """The ranked causes with their evidence, as one would tell them to colleagues."""
    said = outcome.localization
    yield _headline(said)
    for place, cause in enumerate(said.causes[:SHOWN_CAUSES], start=1):
        yield from _cause_lines(place, cause)
    if len(said.causes) > SHOWN_CAUSES:
        yield f"and {len(said.causes) - SHOWN_CAUSES} less likely ones"
    yield _footer(outcome)
    yield from (f"note: {note}" for note in said.notes)


def transcript_lines(transcript: Transcript) -> Iterator[str]:
    """Everything that the model saw and wrote, frame by frame."""
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


def _said(move: Move) -> str:
    match move:
        case ToolCall():
            return f"{move.tool} {move.target}"
        case Investigate():
            return f"investigate {' '.join(move.targets)}"
        case ReportVerdict():
            return f"{'guilty, ' + move.fault.value if move.guilty else 'not guilty'} {' '.join(move.rows)}".rstrip()
        case PrintResults():
            return "results: " + ", ".join(f"{c.component} {c.fault.value}" for c in move.causes)
        case Malformed():
            return f"malformed: {move.reason}"
        case _:
            assert_never(move)


def _headline(said: Localization) -> str:
    if not said.causes:
        return "No cause found: nothing unusual was seen."
    if said.unresolved:
        return "No cause stands out. Most suspicious:"
    return f"Most likely cause: {said.causes[0].component.name} ({said.causes[0].fault.value})"


def _cause_lines(place: int, cause: Cause) -> Iterator[str]:
    who = f"{cause.component.name} [{cause.component.kind.value}]"
    yield f"{place}. {who}: {cause.fault.value}, confidence {cause.confidence:.0%}: {cause.reason}"
    if len(cause.path) > 1:
        yield f"   path: {' → '.join(cause.path)}"
    for e in cause.evidence[:SHOWN_EVIDENCE]:
        yield f"   - {e.signal.value}, {e.component.name}: {statement(e)}"


def _footer(outcome: Outcome) -> str:
    said = outcome.localization
    by = "statistical" if said.ranked_by is RankedBy.STATISTICAL else f"{said.ranked_by.value}, {_model(said)}"
    ended = "" if said.stop is Stop.ANSWERED else f", ended {said.stop.value.replace('_', ' ')}"
    onset = "" if outcome.onset is None else f", onset {outcome.onset:%Y-%m-%d %H:%M:%S} UTC"
    work = f"{said.usage.frames} frames, {said.usage.turns} turns, " if said.usage.turns else ""
    return f"ranked by: {by}{ended}{onset}; {work}{said.seconds:.2f} s"


def _model(said: Localization) -> str:
    return "no model" if said.model is None else f"{said.model.name} {said.model.version}".rstrip()
