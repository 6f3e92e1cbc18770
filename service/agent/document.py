"""The answer and its steps as the JSON that goes over the wire; the answer's schema lies beside this file."""

from collections.abc import Mapping, Sequence
from typing import cast

from service.agent.links import NO_LINKS, Links
from service.agent.localize import Outcome
from service.agent.transcript_json import move_dict
from service.domain.component import Component
from service.domain.evidence import Evidence
from service.domain.localization import Cause, ModelIdentity, Usage
from service.domain.transcript import Frame, Step
from service.domain.window import Window, rfc3339
from service.evidence.redaction import redact
from service.evidence.statement import statement
from service.text import printable

SCHEMA_VERSION = "1"
NOTE_LENGTH = 400
QUERY_LENGTH = 1000


def localization_document(
    outcome: Outcome, *, id: str, incident_id: str, status: str = "done", links: Links = NO_LINKS
) -> dict[str, object]:
    """The answer; each piece of evidence with its link, where there are templates for one, and with what its server was
    asked (PromQL, TraceQL, LogQL and the like), where one was.
    """
    said = outcome.localization
    told: dict[str, object] = {
        "schema_version": SCHEMA_VERSION,
        "id": id,
        "incident_id": incident_id,
        "status": status,
        "stop": None if status == "running" else said.stop.value,
        "ranked_by": said.ranked_by.value,
        "model": None if said.model is None else _model(said.model),
        "unresolved": said.unresolved,
        "causes": [_cause(place, cause, outcome.window, links) for place, cause in enumerate(said.causes, start=1)],
        "seconds": round(said.seconds, 3),
        "usage": _usage(said.usage),
        "notes": [redact(note, NOTE_LENGTH) for note in said.notes],
        "onset": None if outcome.onset is None else rfc3339(outcome.onset),
        "dropped": said.dropped,
    }
    return {name: _printable(value) for name, value in told.items()}


def step_document(frame: Frame, step: Step) -> dict[str, object]:
    """One step, as it is streamed while the localization runs; its number is the event's id."""
    document: dict[str, object] = {
        "schema_version": SCHEMA_VERSION,
        "number": step.number,
        "round": step.round,
        "frame": {
            "id": frame.id,
            "parent": frame.parent,
            "depth": frame.depth,
            "component": _component(frame.component),
        },
        **move_dict(step.move),
        "about": [_component(component) for component in step.about],
        "rows": list(step.rows),
        "forced": step.forced,
    }
    observation = "\n".join(map(printable, step.observation.split("\n")))
    return {**{name: _printable(value) for name, value in document.items()}, "observation": observation}


def _printable(value: object) -> object:
    """A JSON value in which no text can steer the terminal or turn the page that shows it."""
    match value:
        case str():
            return printable(value)
        case dict():
            return {name: _printable(inner) for name, inner in cast("dict[str, object]", value).items()}
        case list() | tuple():
            return [_printable(inner) for inner in cast("Sequence[object]", value)]
        case _:
            return value


def _component(component: Component) -> dict[str, object]:
    return {"kind": component.kind.value, "name": component.name}


def _cause(place: int, cause: Cause, window: Window, links: Links) -> dict[str, object]:
    return {
        "rank": place,
        "component": _component(cause.component),
        "fault": cause.fault.value,
        "confidence": round(cause.confidence, 3),
        "reason": cause.reason,
        "path": list(cause.path),
        "evidence": [_evidence(e, window, links.to(e, cause.component, window)) for e in cause.evidence],
    }


def _evidence(e: Evidence, window: Window, link: str) -> dict[str, object]:
    return {
        "signal": e.signal.value,
        "component": e.component.name,
        "statement": statement(e),
        "window": [rfc3339(window.start), rfc3339(window.end)],
        "query": redact(e.query, QUERY_LENGTH),
        "link": link,
    }


def _model(model: ModelIdentity) -> Mapping[str, str]:
    return {"name": model.name, "version": model.version, "sha256": model.sha256}


def _usage(usage: Usage) -> Mapping[str, int]:
    return {
        "frames": usage.frames,
        "turns": usage.turns,
        "tool_calls": usage.tool_calls,
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
    }
