"""What an answer owes to a text that a stranger wrote: nothing, but for the places that quote it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from service.agent.document import localization_document
from service.agent.localize import Outcome
from service.agent.printing import answer_lines, step_line, transcript_lines
from service.domain.component import EDGE_ARROW, Component, ComponentKind, edge_ends, service
from service.domain.evidence import Evidence, Signal
from service.domain.localization import Cause
from service.rank import statistical
from service.rank.reasons import reason
from service.text import is_printable
from service.view.view import View

QUOTING = frozenset({Signal.TRACES, Signal.LOGS, Signal.CHANGES})
"""Evidence whose ``statement`` (and the ``reason`` made of it, and the ``link``) quotes an operation, an example of
a log template, or a change's kind and summary: redacted, on one line, cut. Nothing else of an answer quotes text.
"""
_LONGEST = 4000
"""Characters of the longest line of a transcript: a reply of a model is kept up to there."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A view and what a model (or none) made of it."""

    view: View
    outcome: Outcome


def unquoted(answered: Answered, old_names: Mapping[str, str]) -> bytes:
    """The answer's document with nothing where it quotes, under the names that components had before they were renamed,
    and without what the clock says and what the text weighs in tokens.
    """
    outcome = answered.outcome
    causes = tuple(_unquoted_cause(cause, old_names) for cause in outcome.localization.causes)
    usage = replace(outcome.localization.usage, prompt_tokens=0, completion_tokens=0)
    said = replace(outcome.localization, causes=causes, seconds=0.0, usage=usage)
    document = localization_document(replace(outcome, localization=said), id="", incident_id="")
    return json.dumps(document, ensure_ascii=False).encode()


def unprintable(answered: Answered) -> list[str]:
    """Strings of the answer, its steps and everything printed of it that hold what no terminal or page should get."""
    outcome = answered.outcome
    document = localization_document(outcome, id="", incident_id="")
    told = [*_strings(document), *answer_lines(outcome)]
    told += [line for text in transcript_lines(outcome.transcript) for line in text.split("\n")]
    told += [step_line(frame, step) for frame in outcome.transcript.frames for step in frame.steps]
    return [text for text in told if not is_printable(text) or len(text) > _LONGEST]


def others_evidence(view: View, emitter: str) -> list[Evidence]:
    """The rows about everybody else, in their order; the numbers in ids count everybody's."""
    own = service(emitter)
    return [replace(e, id="") for e in view.evidence if view.graph.owner(e.component) != own]


def overtaken(clean: Sequence[Component], now: Sequence[Component], view: View, emitter: str) -> str:
    """What is wrong with an order in which only the emitter may have risen; "" if nothing. Callers of the emitter may
    have fallen: what is found in whom they call explains some of their own symptoms.
    """
    own = service(emitter)
    if own in clean and (own not in now or now.index(own) > clean.index(own)):
        return "the emitter fell"
    callers = {service(s) for s in view.graph.services if emitter in view.graph.reach((s,))}
    still = [c for c in clean if c not in callers]
    left = [c for c in now if c in still]
    if left != still[: len(left)]:
        return "others changed places"
    for caller in sorted(callers - {own}):
        if passed := _ahead(caller, clean) - _ahead(caller, now) - callers:
            return f"{caller} passed {min(passed)}"
    return ""


def _ahead(component: Component, ranking: Sequence[Component]) -> set[Component]:
    return set(ranking[: ranking.index(component)] if component in ranking else ranking)


def statistical_order(view: View) -> list[Component]:
    """The statistical rank's components."""
    return [suspect.component for suspect in statistical.rank(view)]


def _unquoted_cause(cause: Cause, old_names: Mapping[str, str]) -> Cause:
    component = _as_before(cause.component, old_names)
    evidence = tuple(_unquoted_row(e, old_names) for e in cause.evidence)
    path = tuple(old_names.get(name, name) for name in cause.path)
    return replace(cause, component=component, evidence=evidence, path=path, reason=reason(component, evidence))


def _unquoted_row(e: Evidence, old_names: Mapping[str, str]) -> Evidence:
    bare = replace(e, component=_as_before(e.component, old_names), example="")
    return replace(bare, subject="", given=bool(e.given) * "…") if e.signal in QUOTING else bare


def _as_before(component: Component, old_names: Mapping[str, str]) -> Component:
    if component.kind is ComponentKind.EDGE:
        ends = (old_names.get(end, end) for end in edge_ends(component))
        return replace(component, name=EDGE_ARROW.join(ends))
    return replace(component, name=old_names.get(component.name, component.name))


def _strings(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for inner in cast("dict[str, object]", value).values():
                yield from _strings(inner)
        case list():
            for inner in cast("list[object]", value):
                yield from _strings(inner)
        case _:
            pass
