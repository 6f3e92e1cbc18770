import json
import re
from pathlib import Path

import pytest

from model_store.cases import find_cases, read_truth
from service.domain.component import Component, ComponentKind
from service.domain.fault import Fault
from service.errors import CaseError


def a_case(directory: Path, **truth: object) -> Path:
    directory.mkdir(parents=True)
    (directory / "case.json").write_text("{}")
    (directory / "truth.json").write_text(json.dumps(truth))
    return directory


def test_cases_are_found_at_any_depth_and_each_once(tmp_path: Path) -> None:
    deep = a_case(tmp_path / "system" / "b")
    shallow = a_case(tmp_path / "a")
    assert find_cases([tmp_path, tmp_path / "system"]) == (shallow, deep)
    assert find_cases([deep]) == (deep,)


def test_a_directory_without_cases_is_named(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match=re.escape(f"{tmp_path}: no case.json")):
        find_cases([tmp_path])
    with pytest.raises(CaseError, match="is no directory"):
        find_cases([tmp_path / "missing"])


def test_the_truth_is_read_with_its_kind_and_fault(tmp_path: Path) -> None:
    cause = {"kind": "pod", "name": "cart-1", "fault": "cpu", "fault_source": "stress", "extra": 1}
    truth = read_truth(a_case(tmp_path / "a", causes=[cause], injected_at="2026-01-01T00:00:00Z"))
    assert [(c.component, c.fault) for c in truth.causes] == [(Component(ComponentKind.POD, "cart-1"), Fault.CPU)]


def test_no_causes_mean_that_nothing_was_wrong(tmp_path: Path) -> None:
    assert read_truth(a_case(tmp_path / "a", causes=[])).causes == ()


@pytest.mark.parametrize(
    ("truth", "told"),
    [
        ({}, "causes"),
        ({"causes": [{"kind": "planet", "name": "x", "fault": "cpu"}]}, "causes[0].kind"),
        ({"causes": [{"kind": "service", "name": "x", "fault": "gremlins"}]}, "causes[0].fault"),
    ],
)
def test_a_truth_that_cannot_be_meant_is_told_in_one_line(tmp_path: Path, truth: dict[str, object], told: str) -> None:
    with pytest.raises(CaseError, match=re.escape(told)) as raised:
        read_truth(a_case(tmp_path / "a", **truth))
    assert "\n" not in str(raised.value)


def test_a_missing_truth_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match=r"truth\.json: cannot be read"):
        read_truth(tmp_path)
