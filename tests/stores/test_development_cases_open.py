from pathlib import Path

import pytest

from service.stores.recorded import RecordedCase
from tests.patience import open_patiently


def directories(cases_root: Path) -> list[Path]:
    return sorted(path.parent for path in cases_root.glob("*/*/case.json"))


def opens_to_a_view(directory: Path) -> bool:
    case = RecordedCase.open(directory)
    view = open_patiently(case.incident, case.telemetry)
    return bool(view.evidence) and set(case.incident.alerting_services) <= set(view.graph.services)


def test_a_development_case_of_each_system_opens_to_a_view(cases_root: Path) -> None:
    one_each = {directory.parent: directory for directory in directories(cases_root)}
    assert one_each
    assert [directory for directory in one_each.values() if not opens_to_a_view(directory)] == []


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_development_case_opens_to_a_view(cases_root: Path) -> None:
    assert [directory for directory in directories(cases_root) if not opens_to_a_view(directory)] == []
