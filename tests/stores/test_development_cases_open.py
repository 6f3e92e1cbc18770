import asyncio
from pathlib import Path

from service.stores.recorded import RecordedCase
from service.view.opening import open_view


def test_every_development_case_opens_to_a_view(cases_root: Path) -> None:
    directories = sorted(path.parent for path in cases_root.glob("*/*/case.json"))
    assert directories
    for directory in directories:
        case = RecordedCase.open(directory)
        view = asyncio.run(open_view(case.incident, case.telemetry))
        assert set(case.incident.alerting_services) <= set(view.graph.services), directory
        assert view.evidence, directory
