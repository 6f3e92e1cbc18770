"""A whole shop, really started, really broken, recorded, and the recording localized."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
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


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("packages")
def test_in_a_rolling_release_two_versions_run_at_once(tmp_path: Path) -> None:
    bad = {"kind": "deploy", "how": "slow", "on": "pricing", "amount": 600, "rolling": True}
    planned = Planned.model_validate({"id": "two-versions", "shop": "bookshop", "faults": [bad]})
    plan = Plan(baseline_s=40, incidents=(planned,))
    with Conductor("bookshop") as conductor:
        conductor.run(25)
        old = {name for name, replica in conductor.replicas.items() if replica.pod.service == "pricing"}
        _record(conductor, plan, planned, tmp_path)
        assert {name for name, replica in conductor.replicas.items() if replica.pod.service == "pricing"} == old
    tables = {name: _rows(case_directory(tmp_path, planned) / f"{name}.parquet") for name in ("spans", "metrics")}
    (change,) = _rows(case_directory(tmp_path, planned) / "changes.parquet")
    pods = {row["pod"]: row["start"] for row in reversed(tables["spans"]) if row["service"] == "pricing"}
    (new,) = pods.keys() - old
    assert (change["service"], change["kind"]) == ("pricing", "deploy")
    assert change["time"] < pods[new]
    assert all(pods[pod] < change["time"] for pod in old)
    assert old | {new} <= {row["component"] for row in tables["metrics"]}


def _rows(path: Path) -> list[dict[str, Any]]:
    parquet: Any = pq  # its stubs are partial
    return parquet.read_table(path).to_pylist()


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
