from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.evidence import Signal
from service.domain.fault import Fault
from service.domain.window import Window
from service.errors import BackendError, CaseError
from service.ports import LOGS, Telemetry
from service.stores.case_files import read_table
from service.stores.case_tables import CaseTables
from service.stores.memory import InMemoryTelemetry
from service.stores.recorded import RecordedCase
from service.view.saving import save_view
from service.view.view import View
from tests.conftest import CaseFactory
from tests.patience import open_patiently
from tests.telemetry_rows import NOON, incident, logs, small_tables


def reopened(view: View, directory: Path) -> View:
    save_view(view, directory)
    case = RecordedCase.open(directory)
    return open_patiently(case.incident, case.telemetry)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), fault=st.sampled_from([Fault.ERROR, Fault.CPU, Fault.NETWORK_LOSS, Fault.CRASH]))
def test_a_saved_view_opens_to_an_equal_view(
    synthetic_case: CaseFactory, tmp_path_factory: pytest.TempPathFactory, seed: int, fault: Fault
) -> None:
    case = synthetic_case(seed, traces=20, fault=fault)
    view = open_patiently(case.incident, case.telemetry)
    assert reopened(view, tmp_path_factory.mktemp("saved") / "case") == view


def test_what_lies_outside_window_and_baseline_is_not_saved(tmp_path: Path) -> None:
    view = open_patiently(incident(), InMemoryTelemetry(small_tables()).telemetry)
    assert reopened(view, tmp_path / "case") == view
    seen = view.tables.logs
    assert seen is not None
    assert seen.before is not None
    saved = read_table(tmp_path / "case" / "logs.parquet", LOGS)
    assert saved.num_rows == seen.now.num_rows + seen.before.num_rows < small_tables().present()["logs"].num_rows


@pytest.mark.parametrize("alerts", [(), incident().alerts])
def test_a_view_of_an_incident_with_or_without_alerts_can_be_saved(tmp_path: Path, alerts: tuple[object, ...]) -> None:
    told = incident(alerts=alerts)
    view = open_patiently(told, InMemoryTelemetry(CaseTables(logs=logs({}))).telemetry)
    assert reopened(view, tmp_path / "case").incident == told


class Forgetful(InMemoryTelemetry):
    """Answers for now alone."""

    async def logs(self, window: Window) -> pa.Table:
        if window.end <= NOON:
            raise BackendError("Loki keeps nothing for so long")
        return await super().logs(window)


def test_a_baseline_that_could_not_be_had_is_none_when_the_case_is_opened(tmp_path: Path) -> None:
    view = open_patiently(incident(), Forgetful(small_tables()).telemetry)
    again = reopened(view, tmp_path / "case")
    assert (again.tables, again.evidence) == (view.tables, view.evidence)
    assert again.incident.baselines.keys() == {Signal.TRACES, Signal.METRICS}


def test_the_tenant_stays_at_home(tmp_path: Path) -> None:
    view = open_patiently(incident(tenant="acme"), Telemetry())
    assert reopened(view, tmp_path / "case").incident == replace(view.incident, tenant="")


def test_a_case_that_is_already_there_is_not_written_over(tmp_path: Path) -> None:
    view = open_patiently(incident(), Telemetry())
    save_view(view, tmp_path / "case")
    with pytest.raises(CaseError, match="already there"):
        save_view(view, tmp_path / "case")
