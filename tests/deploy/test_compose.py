"""The compose file names only what is there, and every configuration beside it is one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from typer.main import get_group

from service.__main__ import cli
from service.gateway.callers import Scope
from service.gateway.tokens import TokenFile
from service.settings import Settings, read_settings
from tests.conftest import REPOSITORY
from tests.programs import installed
from tests.waiting import LIMIT_S

DEPLOY = REPOSITORY / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("gateway", "worker")

MADE = Path("compose") / "secrets"
"""What tokens.sh makes, and no repository holds."""


def configuration(name: str) -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "compose" / name).read_text())


def settings_of(service: str) -> Settings:
    return read_settings(SERVICES[service].get("environment", {}), DEPLOY / "compose" / "hypocenter.toml")


def bound(service: dict[str, Any]) -> list[tuple[str, str]]:
    """Where each volume comes from and where it is mounted."""
    return [tuple(told.split(":")[:2]) for told in service.get("volumes", ())]


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_mounted_is_there(name: str) -> None:
    for source, _ in bound(SERVICES[name]):
        if source.startswith("."):
            assert MADE in Path(source).parents or (DEPLOY / source).exists(), source
        else:
            assert source in COMPOSE["volumes"]


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_pinned_limited_checked_and_reached_from_this_machine_only(name: str) -> None:
    said = SERVICES[name]
    assert said["image"].rpartition(":")[2].removeprefix("v")[0].isdigit()
    assert "mem_limit" in said
    assert said["restart"] == "unless-stopped"
    assert all(port.startswith("127.0.0.1:") for port in said.get("ports", ()))
    assert "healthcheck" in said or name == "gateway", "the image's own serves the gateway"


@pytest.mark.parametrize("name", ["gateway", "worker", "redis", "prometheus", "alertmanager"])
def test_root_file_systems_are_read_only_and_nobody_gains_privileges(name: str) -> None:
    said = SERVICES[name]
    assert said["read_only"] is True
    assert said["cap_drop"] == ["ALL"]
    assert said["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", OURS)
def test_the_programs_arguments_and_settings_can_be_meant(name: str) -> None:
    command, *arguments = SERVICES[name]["command"]
    context = get_group(cli).commands[command].make_context(command, arguments)
    mounted = [target for _, target in bound(SERVICES[name])]
    assert str(context.params["config"]) in mounted
    settings = settings_of(name)
    assert str(settings.doors.tokens_file).startswith("/etc/hypocenter/tokens/")
    assert "/etc/hypocenter/tokens" in mounted


def test_the_gateway_leaves_the_work_to_workers() -> None:
    assert [settings_of(name).worker.at_once == 0 for name in OURS] == [True, False]


def test_services_are_called_by_their_names_and_ports() -> None:
    told = settings_of("worker")
    assert told.store == "redis://redis:6379/0"
    assert told.metrics.url == "http://prometheus:9090"
    assert f"127.0.0.1:{told.worker.port}/livez" in SERVICES["worker"]["healthcheck"]["test"][-1]
    scraped = configuration("prometheus.yml")["scrape_configs"][0]["dns_sd_configs"]
    assert {(one["names"][0], one["port"]) for one in scraped} == {("gateway", told.port), ("worker", told.worker.port)}
    (hook,) = configuration("alertmanager.yml")["receivers"][1]["webhook_configs"]
    assert httpx.URL(hook["url"]) == httpx.URL(f"http://gateway:{told.port}/v1/alerts")


def test_redis_answers_only_what_is_on_the_disk() -> None:
    said = " ".join(SERVICES["redis"]["command"])
    assert "--appendonly yes --appendfsync always" in said
    assert "--maxmemory-policy noeviction" in said


def test_what_the_script_makes_is_what_is_mounted_and_lets_alertmanager_tell(tmp_path: Path) -> None:
    shutil.copy(DEPLOY / "compose" / "tokens.sh", tmp_path)
    environ = os.environ | {"HYPOCENTER": f"{sys.executable} -m service", "PYTHONPATH": str(REPOSITORY)}
    script = tmp_path / "tokens.sh"
    made = subprocess.run([script], env=environ, capture_output=True, text=True, timeout=LIMIT_S, check=True)
    secrets = tmp_path / "secrets"
    needed = {Path(source) for said in SERVICES.values() for source, _ in bound(said)}
    assert {path.name for path in secrets.iterdir()} == {path.name for path in needed if MADE in path.parents}
    tokens = TokenFile(secrets / "tokens" / "tokens.toml")
    told = tokens.find((secrets / "alertmanager").read_text().strip())
    assert told is not None
    assert told.scopes == {Scope.INGEST}
    operator = tokens.find(made.stdout.split()[-1])
    assert operator is not None
    assert operator.scopes == {Scope.READ, Scope.OPERATE}
    assert secrets.stat().st_mode & 0o077 == 0
    again = subprocess.run([script], env=environ, capture_output=True, timeout=LIMIT_S, check=False)
    assert again.returncode == 2


def checked(program: str, package: str, *arguments: str | Path) -> None:
    """Let Prometheus' own programs look at a file; skips where they are not there."""
    command = [installed(program, package), *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert ended.returncode == 0, ended.stderr + ended.stdout


def test_alertmanager_can_mean_its_configuration() -> None:
    checked("amtool", "prometheus-alertmanager", "check-config", DEPLOY / "compose" / "alertmanager.yml")


def test_prometheus_can_mean_its_configuration_and_finds_our_rules(tmp_path: Path) -> None:
    shutil.copy(DEPLOY / "compose" / "prometheus.yml", tmp_path)
    shutil.copytree(DEPLOY / "prometheus", tmp_path / "rules")
    assert list((tmp_path / "rules").glob("*.rules.yaml"))
    checked("promtool", "prometheus", "check", "config", tmp_path / "prometheus.yml")


def test_our_own_alerts_do_not_come_back_to_us() -> None:
    rules = [yaml.safe_load(file.read_text()) for file in (DEPLOY / "prometheus").glob("*.rules.yaml")]
    alerts = [rule["alert"] for told in rules for group in told["groups"] for rule in group["rules"] if "alert" in rule]
    assert alerts
    assert all(alert.startswith("Hypocenter") for alert in alerts)
    first = configuration("alertmanager.yml")["route"]["routes"][0]
    assert first == {"matchers": ['alertname=~"Hypocenter.*"'], "receiver": "nobody"}
