"""Whatever strangers write and a model says, a terminal and a page get lines that only say something."""

import asyncio
import json
import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from service.agent.document import localization_document, step_document
from service.agent.localize import localize
from service.agent.printing import answer_lines, step_line, transcript_lines
from service.domain.component import edge, service
from service.domain.evidence import EvidenceKind
from service.domain.graph import ServiceGraph
from service.llm.scripted import ScriptedModel, call
from service.text import is_printable
from tests.agent.scene import a_view, finding
from tests.strangers import HOSTILE


@settings(max_examples=60)
@given(names=st.tuples(HOSTILE, HOSTILE, HOSTILE), text=HOSTILE)
def test_nothing_that_is_printed_steers_a_terminal_or_turns_a_page(names: tuple[str, str, str], text: str) -> None:
    a, b, c = (f"{name}{number}" for number, name in enumerate(names))
    graph = ServiceGraph((a, b, c), frozenset({(a, b), (b, c)}), {}, {c: (text,)})
    rows = [
        finding(EvidenceKind.GAP, edge(a, b), text, 30.0),
        finding(EvidenceKind.LOG_NEW, service(b), text, 9.0, severity="error", example=text, given=text, unit="share"),
        finding(EvidenceKind.CHANGE, service(c), text, 8.0, example=text, unit="event"),
        finding(EvidenceKind.METRIC, service(c), text, 7.0, unit=text),
    ]
    view = a_view(rows, graph=graph, alerting=a, notes=(f"logs: {text}",))
    replies = [
        call("search_logs", component=text),
        call("investigate", components=[text]),
        call(text),
        call("print_results"),
    ]
    outcome = asyncio.run(localize(view, ScriptedModel({"root": replies}, rendering="names")))
    printed = [*answer_lines(outcome), *transcript_lines(outcome.transcript)]
    printed += [step_line(frame, step) for frame in outcome.transcript.frames for step in frame.steps]
    steps = [step_document(frame, step) for frame in outcome.transcript.frames for step in frame.steps]
    printed += [line for step in steps for line in str(step.pop("observation")).split("\n")]
    told = json.dumps([localization_document(outcome, id=text, incident_id=text), steps], ensure_ascii=False)
    assert len(printed) > 10
    assert [line for line in [*printed, told] if not is_printable(line)] == []


def test_what_steers_turns_or_hides_is_unprintable_and_letters_of_all_scripts_are_not() -> None:
    without = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
    code_points = map(chr, range(0x110000))
    assert [c for c in code_points if unicodedata.category(c) in without and is_printable(c)] == []
    assert is_printable("Müller café наука 日本語 العربية 🙂 → µs …")
