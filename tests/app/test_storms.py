from datetime import timedelta
from pathlib import Path

import pytest

from service.domain.alert import Alert
from service.errors import SettingsError
from service.jobs.priority import Severity
from service.jobs.records import Limits
from service.settings import read_settings
from service.telemetry import Meters
from service.wiring.storms import build_consultation, build_pace, severities_of
from tests.worker.test_worker import NOW


def test_words_for_severity_are_read_from_a_file_and_from_the_environment(tmp_path: Path) -> None:
    config = tmp_path / "hypocenter.toml"
    config.write_text('[grouping]\nseverity_label = "prio"\nseverities = { P1 = "critical" }\n')
    urgent = Alert("f", NOW, None, {"prio": "p1"})
    assert severities_of(read_settings({}, config).grouping).of(urgent) is Severity.CRITICAL
    said = {"HYPOCENTER_GROUPING__SEVERITY_LABEL": "prio", "HYPOCENTER_GROUPING__SEVERITIES": "p1=error"}
    assert severities_of(read_settings(said).grouping).of(urgent) is Severity.ERROR


def test_a_severity_that_there_is_not_is_refused() -> None:
    with pytest.raises(SettingsError, match="HYPOCENTER_GROUPING__SEVERITIES"):
        read_settings({"HYPOCENTER_GROUPING__SEVERITIES": "p1=awful"})


def test_limits_are_those_of_the_store_and_a_recorded_case_is_never_too_old() -> None:
    said = {"HYPOCENTER_WORKER__AT_ONCE_IN_ALL": "8", "HYPOCENTER_WORKER__AT_ONCE_OF_TENANT": "3"}
    pace = build_pace(read_settings(said))
    assert pace.limits == Limits(at_once=8, per_tenant=3)
    assert pace.lateness.telemetry == timedelta(days=2)
    assert build_pace(read_settings({"HYPOCENTER_CASE": "somewhere"})).lateness.telemetry is None


def test_without_a_model_nobody_is_asked() -> None:
    assert build_consultation(read_settings({}).model, None, Meters()) is None
