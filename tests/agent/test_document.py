import asyncio
import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from service.agent import document
from service.agent.document import localization_document, step_document
from service.agent.localize import Outcome, localize
from service.agent.printing import answer_lines, step_line
from service.agent.transcript_json import from_dict, load, save
from service.domain.component import service
from service.domain.fault import Fault
from service.domain.graph import ServiceGraph
from service.errors import CallerError
from service.llm.rules import RulesModel
from service.view.view import View
from tests.agent.scene import a_view

SCHEMA = json.loads(Path(document.__file__).with_name("localization.schema.json").read_text(encoding="utf-8"))
SIGNALS = ("traces", "logs", "metrics", "changes", "topology")
EMPTY = a_view([], graph=ServiceGraph(services=()))


def answered(view: View, *, with_model: bool = True) -> Outcome:
    return asyncio.run(localize(view, RulesModel() if with_model else None))


@pytest.mark.parametrize("view", [a_view(), a_view(notes=("logs: no source",)), EMPTY])
@pytest.mark.parametrize("with_model", [True, False])
def test_every_answer_keeps_to_the_schema(view: View, with_model: bool):
    said = localization_document(answered(view, with_model=with_model), id="l1", incident_id="i1")
    jsonschema.validate(json.loads(json.dumps(said)), SCHEMA, format_checker=jsonschema.FormatChecker())


def test_the_schema_knows_the_closed_list_of_faults():
    assert SCHEMA["properties"]["causes"]["items"]["properties"]["fault"]["enum"] == [f.value for f in Fault]


def test_an_answer_tells_its_first_cause_with_path_and_evidence():
    said = json.loads(json.dumps(localization_document(answered(a_view()), id="l1", incident_id="i1")))
    first = said["causes"][0]
    assert first["component"] == {"kind": "edge", "name": "checkout->cart"}
    assert first["path"] == ["frontend", "checkout", "cart"]
    assert first["evidence"][0]["component"] == "checkout->cart"
    assert first["evidence"][0]["window"] == ["2026-03-01T11:50:00Z", "2026-03-01T12:05:00Z"]
    assert said["model"] == {"name": "rules", "version": "1", "sha256": ""}


def test_a_step_is_told_with_its_number_and_its_frame():
    frame = answered(a_view()).transcript.frames[1]
    told = json.loads(json.dumps(step_document(frame, frame.steps[0])))
    assert told["number"] == frame.steps[0].number
    assert told["frame"]["parent"] == 0
    assert told["kind"] == "tool_call"


def test_the_answer_can_be_pasted_into_a_channel():
    lines = list(answer_lines(answered(a_view(notes=("logs: no source", "changes: no source")))))
    assert lines[0] == "Most likely cause: checkout → cart (network-delay)"
    assert lines[1] == "It began about 2026-03-01 11:58:00 UTC."
    assert lines[3].startswith("1. checkout → cart: network-delay, confidence ")
    assert lines[4] == "   calls to cart wait 300 ms that cart itself does not account for"
    assert lines[5] == "   path     frontend → checkout → cart"
    assert lines[6].startswith("   traces   calls wait 10 ms → 300 ms")
    assert lines[-2] == "note: logs, changes: no source"
    assert lines[-1].startswith("ranked_by: fused, model rules 1, ")


def test_the_worst_comes_first_with_its_reason_and_the_others_are_told_by_their_evidence():
    text = "\n".join(answer_lines(answered(a_view(), with_model=False)))
    _, first, second, *_ = text.split("\n\n")
    assert "calls to cart wait" in first
    assert second.splitlines()[1:] == [
        "   path     frontend → ads",
        '   logs     more INFO log lines after GET /: 10% → 30% of executions, "cache miss 3"',
    ]


def test_an_answer_without_causes_says_so():
    assert next(answer_lines(answered(EMPTY))) == "No cause found: nothing unusual was seen."


def test_an_answer_that_rests_on_nothing_says_so():
    blind = a_view([], graph=ServiceGraph(services=()), notes=tuple(f"{s}: no source" for s in SIGNALS))
    assert next(answer_lines(answered(blind))) == "No cause found: there was no telemetry to look at."


def test_the_tree_grows_a_line_a_step_indented_by_depth():
    outcome = answered(a_view())
    root, child = outcome.transcript.frames[:2]
    assert step_line(root, root.steps[0]) == "frontend: traces of everything → 3 findings"
    assert step_line(child, child.steps[0]).startswith("  ")


def test_the_tree_names_components_as_they_are_whatever_the_model_calls_them():
    outcome = answered(a_view())
    told = [step_line(frame, step) for frame in outcome.transcript.frames for step in frame.steps]
    assert [line for line in told if line.startswith("frontend: investigate ") and "cart" in line]
    assert [line for line in told if line.startswith("frontend: answer: cart (network-delay)")]
    assert not [line for line in told if "c1" in line or "c2" in line]


def test_names_without_end_leave_their_middle_out():
    outcome = answered(a_view())
    frame = outcome.transcript.frames[0]
    long = replace(frame, component=service("front" + "-" * 300 + "end"))
    line = step_line(long, frame.steps[0])
    assert line.startswith("front---")
    assert "---end: traces of everything" in line
    assert len(line) < 100


def test_a_transcript_is_saved_and_loaded(tmp_path: Path):
    outcome = answered(a_view())
    save(outcome.transcript, tmp_path / "t.json")
    assert load(tmp_path / "t.json") == outcome.transcript


@pytest.mark.parametrize("document", [None, {}, {"format": "transcript/9"}, []])
def test_what_is_no_transcript_is_refused_in_one_line(document: object):
    with pytest.raises(CallerError, match=r"^not a transcript of format transcript/1: .+") as error:
        from_dict(document)
    assert "\n" not in str(error.value)
