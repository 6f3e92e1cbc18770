"""One recording, localized as it lies there and as a past that servers tell of: a real Prometheus, and the fakes of a
Jaeger or a Tempo and of a Loki on sockets, by nothing but settings.

Logs come back whole, so with them alone the answer is equal to the last digit. Metrics are asked for as rates of
counters over steps of our own, and traces are a sample: with these the first cause and what proves it are the same, the
levels nearly so, and less likely causes may change places.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import httpx
import pytest

from model_store.bench_adapters import prometheus
from model_store.bench_adapters.exposition import openmetrics
from model_store.bench_adapters.servers import ALWAYS, serving
from service.agent.answering import answer
from service.app import build_bench, localize_asked, localize_case
from service.domain.localization import Localization
from service.settings import Settings
from service.stores.alert_body import AlertGroup, alert_body
from service.stores.loki_fake import FakeLoki
from service.stores.recorded import RecordedCase
from service.wiring.asking import Asked
from service.wiring.sources import open_source
from tests.conftest import REPOSITORY
from tests.programs import installed

CASE = REPOSITORY / "tests" / "cases" / "mealrun" / "mealrun-04"
HERE, THERE = timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-3))
STATISTICAL = 'rank = "statistical"\nmodel.name = "none"'
PATIENT = "connect_s = 60\nread_s = 60\ntotal_s = 240"
ENDS = ("--query.lookback-delta=8s",)
"""What is scraped gets a mark where it ends; a past that was made has none."""


@pytest.fixture(scope="module")
def case() -> RecordedCase:
    return RecordedCase.open(CASE)


@pytest.fixture(scope="module")
def addresses(case: RecordedCase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    for program in ("prometheus", "promtool"):
        installed(program, "prometheus")
    assert case.telemetry.metrics is not None
    past = openmetrics(asyncio.run(case.telemetry.metrics.metrics(ALWAYS)))
    with serving(CASE) as told, prometheus.running(tmp_path_factory.mktemp("prometheus"), past, ENDS) as url:
        yield {**told, "prometheus": url}


def settings(case: RecordedCase, addresses: Mapping[str, str], traces: str, rank: str) -> str:
    """What somebody would write whose servers these are, and who looks at the time that was recorded."""
    incident = case.incident
    baseline = next(iter(incident.baselines.values()))
    return f"""
        {rank}
        store = "nothing-is-here.sqlite"
        budget = {{ deadline_s = 600, telemetry_timeout_s = 300 }}
        [windows]
        lead_s = {(incident.alerted_at - incident.window.start).total_seconds()}
        baseline_s = {baseline.length.total_seconds()}
        shortest_baseline_s = 30
        [traces]
        kind = "{traces}"
        url = "{addresses[traces]}"
        {PATIENT}
        [logs]
        kind = "loki"
        url = "{addresses["loki"]}"
        {PATIENT}
        [metrics]
        kind = "prometheus"
        url = "{addresses["prometheus"]}"
        step_s = 5
        {PATIENT}
        families = [
            {{ name = "pg_sessions_idle_in_transaction", form = "gauge" }},
            {{ name = "pg_transactions_total", form = "rate", unit = "1/s" }},
        ]
    """


def asked(case: RecordedCase, directory: Path) -> Asked:
    """The alert as servers in other time zones would tell it."""
    body: dict[str, Any] = alert_body(AlertGroup("replayed", "firing", case.incident.alerts))
    for alert in body["alerts"]:
        alert["startsAt"] = datetime.fromisoformat(alert["startsAt"]).astimezone(HERE).isoformat()
    (directory / "alert.json").write_text(json.dumps(body))
    return Asked(alert=directory / "alert.json", at=case.incident.window.end.astimezone(THERE).isoformat())


def replayed(
    case: RecordedCase, addresses: Mapping[str, str], directory: Path, traces: str, rank: str
) -> tuple[Localization, Localization]:
    """The answer to the recording, and to what the servers tell."""
    live, lying = directory / "live.toml", directory / "recorded.toml"
    live.write_text(settings(case, addresses, traces, rank))
    lying.write_text(rank)
    recorded = asyncio.run(localize_case(CASE, lying, {})).outcome.localization
    return recorded, asyncio.run(localize_asked(asked(case, directory), live, {})).outcome.localization


def same_first_cause(recorded: Localization, live: Localization) -> bool:
    """The same component: which of its rows comes first may differ, as rates are over three scrapes of a server."""
    return live.causes[0].component == recorded.causes[0].component


def test_what_servers_tell_of_an_incident_has_the_same_first_cause(
    case: RecordedCase, addresses: Mapping[str, str], tmp_path: Path
) -> None:
    recorded, live = replayed(case, addresses, tmp_path, "jaeger", STATISTICAL)
    assert same_first_cause(recorded, live)
    assert live.causes[0].confidence == pytest.approx(recorded.causes[0].confidence, abs=0.1)
    assert [note for note in live.notes if "sample of" not in note] == ["changes: no source"]


@pytest.mark.slow
@pytest.mark.parametrize(("traces", "rank"), [("tempo", STATISTICAL), ("jaeger", ""), ("tempo", "")])
def test_so_it_has_by_other_servers_and_as_we_come(
    case: RecordedCase, addresses: Mapping[str, str], tmp_path: Path, traces: str, rank: str
) -> None:
    assert same_first_cause(*replayed(case, addresses, tmp_path, traces, rank))


def test_with_its_logs_from_a_server_the_answer_is_the_very_same(case: RecordedCase) -> None:
    assert case.telemetry.logs is not None
    lines = asyncio.run(case.telemetry.logs.logs(ALWAYS))
    said = {"logs": {"kind": "loki", "url": "http://loki", "read_s": 60, "total_s": 240}, "rank": "statistical"}
    told = Settings.model_validate({**said, "budget": {"deadline_s": 600, "telemetry_timeout_s": 300}, "model": NONE})
    source = open_source(told, httpx.ASGITransport(FakeLoki(lines).app()))
    assert source is not None
    bench = build_bench(told, case.telemetry)
    recorded, live = (
        asyncio.run(answer(case.incident, replace(bench, telemetry=telemetry)))[1].localization
        for telemetry in (case.telemetry, replace(case.telemetry, logs=source.telemetry.logs))
    )
    assert live.causes == recorded.causes


NONE = {"name": "none"}
