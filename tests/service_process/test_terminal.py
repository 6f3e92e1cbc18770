"""Live incidents localized from the terminal, kept, and localized again from what was kept."""

import asyncio
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from service.__main__ import run
from service.domain.fault import Fault
from service.domain.window import rfc3339
from service.jobs.records import Change
from service.jobs.sqlite import SqliteStore
from service.stores.alert_body import AlertGroup, alert_body
from service.stores.case_tables import CaseTables, time_column
from tests.conftest import CaseFactory
from tests.service_process.conftest import UNHURRIED
from tests.stores.embedded.sending import requests_of, take_all
from tests.telemetry_rows import at

SEED = 2
"""An incident with spans, lines and samples, in the window and in the hour before it."""
END = at(10)

Localize = Callable[..., dict[str, Any]]
_compute: Any = pc


def later(table: pa.Table | None, shift: timedelta) -> pa.Table | None:
    if table is None:
        return None
    name = time_column(table.schema)
    moved = _compute.add(table.column(name), pa.scalar(shift, pa.duration("us")))
    return table.set_column(table.schema.names.index(name), name, moved)


@pytest.fixture(scope="module")
def incident(synthetic_case: CaseFactory, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of the embedded store that holds an incident which ends at `END`, and the body of its alert."""
    case = synthetic_case(SEED, fault=Fault.NETWORK_DELAY)
    directory = tmp_path_factory.mktemp("incident")
    shift = END - case.incident.window.end
    tables = {name: later(getattr(case.tables, name), shift) for name in ("spans", "logs", "metrics")}
    take_all(directory / "telemetry", requests_of(CaseTables(**tables)))
    alerts = tuple(replace(alert, starts_at=alert.starts_at + shift) for alert in case.incident.alerts)
    (directory / "alert.json").write_text(json.dumps(alert_body(AlertGroup("g", "firing", alerts))))
    return directory


@pytest.fixture
def localize(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Localize:
    """Runs the command and returns the JSON of its answer."""
    monkeypatch.chdir(tmp_path)  # where the settings' own store would be
    for name, value in UNHURRIED.items():
        monkeypatch.setenv(name, value)

    def localized(*arguments: object) -> dict[str, Any]:
        assert run(["localize", *map(str, arguments), "--json", "--model", "rules"]) == 0
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        return answer

    return localized


def same(answer: dict[str, Any]) -> dict[str, Any]:
    """All of an answer that does not depend on the clock. What was missing, a case says in its own words."""
    return {name: value for name, value in answer.items() if name not in ("seconds", "notes")}


def tell(directory: Path, tenant: str, change: Change) -> None:
    """Let the store that the settings name by default know of a tenant's change."""

    async def add() -> None:
        store = SqliteStore(directory / "hypocenter.sqlite")
        await store.add_changes(tenant, [change])
        await store.close()

    asyncio.run(add())


def alerting(incident: Path) -> str:
    return json.loads((incident / "alert.json").read_text())["alerts"][0]["labels"]["service"]


def test_a_service_that_was_asked_about_is_localized_and_replayed_to_the_same_answer(
    incident: Path, tmp_path: Path, localize: Localize
) -> None:
    asked = ("--service", alerting(incident), "--at", rfc3339(END), "--since", "12m")
    live = localize(*asked, "--telemetry", incident / "telemetry", "--save", tmp_path / "case")
    assert live["causes"][0]["evidence"]
    assert same(localize(tmp_path / "case")) == same(live)


def test_an_alert_is_localized_as_of_then_and_replayed_to_the_same_answer(
    incident: Path, tmp_path: Path, localize: Localize
) -> None:
    asked = ("--alert", incident / "alert.json", "--at", rfc3339(END))
    live = localize(*asked, "--telemetry", incident / "telemetry", "--save", tmp_path / "case")
    assert live["causes"][0]["evidence"]
    assert same(localize(tmp_path / "case")) == same(live)


def test_the_tree_grows_at_the_terminal_and_links_stand_in_the_answer(
    incident: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, localize: Localize
) -> None:
    monkeypatch.setenv("HYPOCENTER_LINKS__TRACES", "https://jaeger.example/search?service={service}&end={end_us}")
    asked = ["--alert", str(incident / "alert.json"), "--at", rfc3339(END), "--telemetry", str(incident / "telemetry")]
    assert run(["localize", *asked, "--model", "rules"]) == 0
    assert "traces of everything" in capsys.readouterr().out
    told = [evidence for cause in localize(*asked)["causes"] for evidence in cause["evidence"]]
    links = [evidence["link"] for evidence in told if evidence["signal"] == "traces"]
    assert links
    assert all(link.startswith("https://jaeger.example/search?service=") for link in links)


def test_changes_that_a_server_was_told_of_are_seen_at_the_terminal_too(
    incident: Path, tmp_path: Path, localize: Localize
) -> None:
    service = alerting(incident)
    tell(tmp_path, "", Change(END - timedelta(minutes=10), service, "deploy", "the very latest"))
    answer = localize("--service", service, "--at", rfc3339(END), "--telemetry", incident / "telemetry")
    assert "the very latest" in json.dumps(answer["causes"])


def test_in_a_tenants_name_its_telemetry_and_changes_are_seen_and_no_others(
    incident: Path, tmp_path: Path, localize: Localize
) -> None:
    service = alerting(incident)
    shutil.copytree(incident / "telemetry", tmp_path / "telemetry" / "tenants" / "shop")
    tell(tmp_path, "shop", Change(END - timedelta(minutes=10), service, "deploy", "what the shop did"))
    tell(tmp_path, "bank", Change(END - timedelta(minutes=10), service, "deploy", "what the bank did"))
    asked = ("--service", service, "--at", rfc3339(END), "--telemetry", tmp_path / "telemetry")
    evidence = json.dumps(localize(*asked, "--tenant", "shop")["causes"])
    assert "what the shop did" in evidence
    assert "what the bank did" not in evidence
    assert '"traces"' in evidence
    nobodys = json.dumps(localize(*asked)["causes"])
    assert "what the shop did" not in nobodys
    assert '"traces"' not in nobodys
