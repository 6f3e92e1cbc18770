"""A whole shop, really started, really broken, recorded, and the recording localized."""

import json
from pathlib import Path

import pytest

from deploy.testbed.conductor import Conductor
from deploy.testbed.errors import RejectedError
from deploy.testbed.plan import Plan, Planned, case_directory
from deploy.testbed.recorder import record
from service.stores.recorded import RecordedCase
from tests.patience import open_patiently

ATTEMPTS = 3


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("packages")
def test_a_shop_is_broken_and_recorded(tmp_path: Path) -> None:
    slow = {"kind": "slow", "how": "handler", "on": "basket", "amount": 600}
    planned = Planned.model_validate({"id": "slow-basket", "shop": "bookshop", "faults": [slow]})
    plan = Plan(baseline_s=40, incidents=(planned,))
    with Conductor("bookshop") as conductor:
        directory = conductor.directory
        conductor.run(25)
        _record(conductor, plan, planned, tmp_path)
    place = case_directory(tmp_path, planned)
    case = RecordedCase.open(place)
    view = open_patiently(case.incident, case.telemetry)
    assert case.incident.alerting_services == ("storefront",)
    assert json.loads((place / "truth.json").read_text())["causes"][0]["name"] == "basket"
    assert any("basket" in evidence.component.name for evidence in view.evidence)
    assert not directory.exists()


def _record(conductor: Conductor, plan: Plan, planned: Planned, out: Path) -> None:
    """The machine may be busy with other things: a dirty baseline is no fault of the recorder."""
    for attempt in range(ATTEMPTS):
        try:
            record(conductor, plan, planned, out, lambda _: None)
            return
        except RejectedError:
            if attempt + 1 == ATTEMPTS:
                raise
            conductor.run(20)
