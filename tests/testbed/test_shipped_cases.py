"""The project's own recordings: small, whole, and of every kind."""

import json
import re
from pathlib import Path

import pytest

from deploy.testbed.shipping import MOST_BYTES, MOST_BYTES_IN_ALL, NO_CAUSE, recordings
from service.domain.fault import Fault
from service.stores.recorded import RecordedCase
from tests.patience import open_patiently

CASES = Path(__file__).parent.parent / "cases"
DIRECTORIES = sorted(path.parent for path in CASES.glob("*/*/case.json"))
KINDS = re.compile("|".join(fault.value for fault in Fault if fault is not Fault.UNKNOWN))


def test_they_are_small() -> None:
    sizes = [recording.size for recording in recordings(CASES)]
    assert max(sizes) <= MOST_BYTES
    assert sum(sizes) <= MOST_BYTES_IN_ALL


def test_every_fault_is_there_and_two_without_a_cause() -> None:
    faults = [fault for recording in recordings(CASES) for fault in recording.faults]
    assert {fault.value for fault in Fault} - {Fault.UNKNOWN.value} <= set(faults)
    assert faults.count(NO_CAUSE) >= 2


def test_what_a_responder_is_given_does_not_name_the_fault() -> None:
    told = [(directory / "case.json").read_text() for directory in DIRECTORIES]
    ids = [str(json.loads(text)["id"]) for text in told]
    assert [name for name in ids if KINDS.search(name)] == []


@pytest.mark.parametrize("directory", DIRECTORIES, ids=lambda directory: directory.name)
def test_each_opens_to_a_view_with_its_causes_in_it(directory: Path) -> None:
    case = RecordedCase.open(directory)
    view = open_patiently(case.incident, case.telemetry)
    truth = json.loads((directory / "truth.json").read_text())
    known = {*view.graph.services, *(node for hosts in view.graph.hosts.values() for node in hosts)}
    assert view.evidence
    for cause in truth["causes"]:
        assert set(cause["name"].split("->")) <= known
    window = case.incident.window  # a group may carry what has resolved, of an earlier incident
    assert any(alert.firing and window.start < alert.starts_at < window.end for alert in case.incident.alerts)
