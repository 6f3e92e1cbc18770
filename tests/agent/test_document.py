import asyncio
import json
from pathlib import Path

import jsonschema
import pytest

from service.agent import document
from service.agent.document import localization_document, step_document
from service.agent.localize import Outcome, localize
from service.agent.printing import answer_lines, step_line
from service.agent.transcript_json import from_dict, load, save
from service.domain.fault import Fault
from service.domain.graph import ServiceGraph
from service.errors import CallerError
from service.llm.rules import RulesModel
from service.view.view import View
from tests.agent.scene import a_view

SCHEMA = json.loads(Path(document.__file__).with_name("localization.schema.json").read_text(encoding="utf-8"))
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
    assert first["component"] == {"kind": "service", "name": "cart"}
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
    lines = list(answer_lines(answered(a_view(notes=("logs: no baseline",)))))
    assert lines[0] == "Most likely cause: cart (network-delay)"
    assert lines[1].startswith("1. cart [service]: network-delay, confidence ")
    assert lines[2] == "   path: frontend → checkout → cart"
    assert lines[3].startswith("   - traces, checkout->cart: calls wait 10 ms → 300 ms")
    assert lines[-1] == "note: logs: no baseline"


def test_an_answer_without_causes_says_so():
    assert next(answer_lines(answered(EMPTY))) == "No cause found: nothing unusual was seen."


def test_the_tree_grows_a_line_a_step_indented_by_depth():
    outcome = answered(a_view())
    root, child = outcome.transcript.frames[:2]
    assert step_line(root, root.steps[0]) == "frontend: search_traces all → 3 rows"
    assert step_line(child, child.steps[0]).startswith("  ")


def test_a_transcript_is_saved_and_loaded(tmp_path: Path):
    outcome = answered(a_view())
    save(outcome.transcript, tmp_path / "t.json")
    assert load(tmp_path / "t.json") == outcome.transcript


@pytest.mark.parametrize("document", [None, {}, {"format": "transcript/9"}, []])
def test_what_is_no_transcript_is_refused_in_one_line(document: object):
    with pytest.raises(CallerError, match=r"^not a transcript of format transcript/1: .+") as error:
        from_dict(document)
    assert "\n" not in str(error.value)
