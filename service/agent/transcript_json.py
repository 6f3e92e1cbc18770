"""A transcript as JSON and back: what is printed, graded and trained on later is exactly what was played."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal, assert_never

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from service.domain.component import Component
from service.domain.move import (
    Investigate,
    Malformed,
    Move,
    PrintResults,
    ReportVerdict,
    ToolCall,
    Verdict,
)
from service.domain.transcript import Frame, Step, Transcript
from service.errors import CallerError

FORMAT = "transcript/1"

_KINDS: dict[type[Move], str] = {
    ToolCall: "tool_call",
    Investigate: "investigate",
    ReportVerdict: "report_verdict",
    PrintResults: "print_results",
    Malformed: "malformed",
}


class _Read(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _ToolCall(_Read):
    kind: Literal["tool_call"]
    move: ToolCall


class _Investigate(_Read):
    kind: Literal["investigate"]
    move: Investigate


class _ReportVerdict(_Read):
    kind: Literal["report_verdict"]
    move: ReportVerdict


class _PrintResults(_Read):
    kind: Literal["print_results"]
    move: PrintResults


class _Malformed(_Read):
    kind: Literal["malformed"]
    move: Malformed


_Move = Annotated[_ToolCall | _Investigate | _ReportVerdict | _PrintResults | _Malformed, Field(discriminator="kind")]


class _Step(_Read):
    number: int
    round: int
    frame: int
    move: _Move
    observation: str
    reply: str
    rows: tuple[str, ...]
    forced: bool
    prompt_tokens: int
    completion_tokens: int
    token_ids: tuple[int, ...]
    about: tuple[Component, ...] = ()


class _Frame(_Read):
    id: int
    parent: int | None
    depth: int
    component: Component
    question: str
    steps: list[_Step]
    verdict: Verdict | None


class _Transcript(_Read):
    format: Literal["transcript/1"]
    incident_id: str
    model: str
    rendering: str
    prompt_id: str
    frames: list[_Frame]


_READER = TypeAdapter(_Transcript)


def to_dict(transcript: Transcript) -> dict[str, object]:
    """The transcript as plain JSON values."""
    return {
        "format": FORMAT,
        "incident_id": transcript.incident_id,
        "model": transcript.model,
        "rendering": transcript.rendering,
        "prompt_id": transcript.prompt_id,
        "frames": [_frame_dict(frame) for frame in transcript.frames],
    }


def from_dict(document: object) -> Transcript:
    """The transcript of such values; `CallerError` with one line if they are none."""
    try:
        read = _READER.validate_python(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "document"
        raise CallerError(f"not a transcript of format {FORMAT}: {where}: {first['msg']}") from error
    frames = [_frame(frame) for frame in read.frames]
    return Transcript(read.incident_id, read.model, read.rendering, read.prompt_id, frames)


def save(transcript: Transcript, file: Path) -> None:
    """Write a transcript to a file."""
    file.write_text(json.dumps(to_dict(transcript), indent=1) + "\n", encoding="utf-8")


def load(file: Path) -> Transcript:
    """Read a transcript from a file; `CallerError` with one line if it cannot be."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CallerError(f"{file} cannot be read as JSON: {error}") from error
    return from_dict(document)


def move_dict(move: Move) -> dict[str, object]:
    """A move as plain JSON values, its kind beside it."""
    match move:
        case ToolCall() | Investigate() | ReportVerdict() | PrintResults() | Malformed():
            return {"kind": _KINDS[type(move)], "move": asdict(move)}
        case _:
            assert_never(move)


def _frame_dict(frame: Frame) -> dict[str, object]:
    return {**asdict(frame), "steps": [_step_dict(step) for step in frame.steps]}


def _step_dict(step: Step) -> dict[str, object]:
    return {**asdict(step), "move": move_dict(step.move)}


def _frame(read: _Frame) -> Frame:
    steps = [_step(step) for step in read.steps]
    return Frame(read.id, read.parent, read.depth, read.component, read.question, steps, read.verdict)


def _step(read: _Step) -> Step:
    return Step(
        number=read.number,
        round=read.round,
        frame=read.frame,
        move=read.move.move,
        observation=read.observation,
        reply=read.reply,
        rows=read.rows,
        forced=read.forced,
        prompt_tokens=read.prompt_tokens,
        completion_tokens=read.completion_tokens,
        token_ids=read.token_ids,
        about=read.about,
    )
