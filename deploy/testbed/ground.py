"""What the shop stands on: real servers from Debian packages, each with its own configuration in a new directory."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from deploy.testbed.errors import StartError
from deploy.testbed.processes import Process, Processes, answers, program, wait_until
from deploy.testbed.program.clients import ROWS
from deploy.testbed.topology import Shop

SCRAPE_S = 2
ALERT_WINDOW_S = 16
MACHINE = "node"
"""The job whose series are the machine's."""
OBJECTIVE_METRIC = "entry_latency_objective_seconds"
ERROR_SHARE = 0.08
"""Share of failed requests, or of wrong results, above which the entry's alert fires."""


def check_packages() -> None:
    """Raises `MissingError` with the first program that is not there."""
    program("redis-server", "redis-server")
    _postgres("postgres")
    program("prometheus", "prometheus")
    program("prometheus-alertmanager", "prometheus-alertmanager")
    program("prometheus-node-exporter", "prometheus-node-exporter")


def start_redis(processes: Processes, name: str, port: int, cpu: int) -> Process:
    """A Redis that keeps nothing on disk."""
    argv = (program("redis-server", "redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--save", "",
            "--appendonly", "no", "--dir", str(processes.directory))  # fmt: skip
    process = processes.start(name, argv, cpu=cpu)
    wait_until(answers(port), process, 10)
    return process


def start_postgres(processes: Processes, shop: Shop, name: str, port: int, cpu: int) -> Process:
    """A PostgreSQL cluster of its own with the shop's tables, a few rows each."""
    directory = processes.directory / name
    directory.mkdir(mode=0o700)
    user = "postgres" if processes.directory.owner() == "root" else None
    if user:
        shutil.chown(directory, user, user)
    initdb = (_postgres("initdb"), "-D", str(directory), "-U", "shop", "-A", "trust", "--no-sync", "-E", "UTF8")
    ended = processes.start(f"{name}-initdb", initdb, user=user)
    if ended.popen.wait(60) != 0:
        raise StartError(f"initdb of {name} failed: see {ended.log}")
    processes.stop(ended.name)
    settings = {
        "port": str(port), "listen_addresses": "127.0.0.1", "unix_socket_directories": str(directory),
        "max_connections": "120", "synchronous_commit": "off", "log_min_messages": "warning",
    }  # fmt: skip
    argv = (_postgres("postgres"), "-D", str(directory), *(f"--{key}={value}" for key, value in settings.items()))
    process = processes.start(name, argv, cpu=cpu, user=user, farewell=signal.SIGINT)
    wait_until(lambda: _accepts_queries(port), process, 30)
    _fill(port, shop.tables())
    return process


def _postgres(name: str) -> str:
    return program(name, "postgresql", below=f"usr/lib/postgresql/*/bin/{name}")


def _address(port: int, database: str) -> str:
    return f"host=127.0.0.1 port={port} dbname={database} user=shop connect_timeout=2 sslmode=disable"


def _accepts_queries(port: int) -> bool:
    try:
        with psycopg.connect(_address(port, "postgres")):
            return True
    except psycopg.OperationalError:
        return False


def _fill(port: int, tables: Sequence[str]) -> None:
    with psycopg.connect(_address(port, "postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE shop")
    with psycopg.connect(_address(port, "shop")) as connection:
        for table in tables:
            connection.execute(f"CREATE TABLE {table} (id int PRIMARY KEY, value int NOT NULL)".encode())
            connection.execute(f"INSERT INTO {table} SELECT n, 0 FROM generate_series(1, {ROWS}) n".encode())  # noqa: S608


@dataclass(frozen=True, slots=True)
class Target:
    """Where Prometheus scrapes, and the labels that it adds."""

    port: int
    labels: Mapping[str, str]
    job: str


def start_node_exporter(processes: Processes, port: int) -> Process:
    """What the machine says of itself."""
    argv = (program("prometheus-node-exporter", "prometheus-node-exporter"), f"--web.listen-address=127.0.0.1:{port}",
            "--collector.disable-defaults", "--collector.cpu", "--collector.meminfo",
            "--collector.diskstats", "--log.level=error")  # fmt: skip
    process = processes.start("node-exporter", argv)
    wait_until(answers(port), process, 10)
    return process


def start_alertmanager(processes: Processes, port: int, webhooks: Sequence[str]) -> Process:
    """An Alertmanager that tells the webhooks soon."""
    config = {
        "route": {
            "receiver": "responders", "group_by": ["service"], "group_wait": "1s", "group_interval": "5s",
            "repeat_interval": "1h",
        },
        "receivers": [{"name": "responders", "webhook_configs": [{"url": url, "max_alerts": 0} for url in webhooks]}],
    }  # fmt: skip
    path = processes.directory / "alertmanager.yml"
    path.write_text(json.dumps(config))  # JSON is YAML
    argv = (program("prometheus-alertmanager", "prometheus-alertmanager"), f"--config.file={path}",
            f"--storage.path={processes.directory / 'alertmanager'}", f"--web.listen-address=127.0.0.1:{port}",
            f"--web.external-url=http://127.0.0.1:{port}", "--cluster.listen-address=")  # fmt: skip
    process = processes.start("alertmanager", argv)
    wait_until(answers(port), process, 15)
    return process


def start_prometheus(
    processes: Processes, shop: Shop, port: int, alertmanager: int, targets: Sequence[Target]
) -> Process:
    """A Prometheus that scrapes the targets and watches the entry."""
    rules = processes.directory / "rules.yml"
    rules.write_text(json.dumps({"groups": [{"name": "entry", "rules": entry_rules(shop)}]}))
    check = (program("promtool", "prometheus"), "check", "rules", str(rules))
    if (told := subprocess.run(check, capture_output=True, timeout=20, check=False)).returncode != 0:
        raise StartError(f"rules of {shop.name} are refused: {told.stderr.decode().strip().splitlines()[-1]}")
    config = {
        "global": {"scrape_interval": f"{SCRAPE_S}s", "scrape_timeout": f"{SCRAPE_S}s", "evaluation_interval": "2s"},
        "rule_files": [str(rules)],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager}"]}]}]},
        "scrape_configs": [_scrape(processes, shop, job) for job in dict.fromkeys(target.job for target in targets)],
    }
    write_targets(processes, targets)
    path = processes.directory / "prometheus.yml"
    path.write_text(json.dumps(config))
    argv = (program("prometheus", "prometheus"), f"--config.file={path}",
            f"--storage.tsdb.path={processes.directory / 'prometheus'}", f"--web.listen-address=127.0.0.1:{port}",
            f"--web.external-url=http://127.0.0.1:{port}", "--log.level=warn")  # fmt: skip
    process = processes.start("prometheus", argv)
    wait_until(answers(port), process, 20)
    return process


def write_targets(processes: Processes, targets: Sequence[Target]) -> None:
    """Tells Prometheus where to scrape; it learns within five seconds of what comes and goes."""
    for job in {target.job for target in targets}:
        groups = [{"targets": [f"127.0.0.1:{t.port}"], "labels": dict(t.labels)} for t in targets if t.job == job]
        aside = processes.directory / f"{job}.new"
        aside.write_text(json.dumps(groups))
        aside.replace(_targets_file(processes, job))


def _targets_file(processes: Processes, job: str) -> Path:
    return processes.directory / f"targets-{job}.json"


def _scrape(processes: Processes, shop: Shop, job: str) -> dict[str, object]:
    return {
        "job_name": job,
        "honor_labels": True,
        "file_sd_configs": [{"files": [str(_targets_file(processes, job))]}],
        "metric_relabel_configs": _cores_as_nodes(shop) if job == MACHINE else [],
    }


def _cores_as_nodes(shop: Shop) -> list[dict[str, object]]:
    """A core plays a node: its series get the node's name."""
    cpus = os.cpu_count() or 1
    return [
        {"source_labels": ["cpu"], "regex": str(shop.cpu(node, cpus)), "target_label": "node", "replacement": node}
        for node in shop.nodes
    ]


def entry_rules(shop: Shop) -> list[dict[str, object]]:
    """Latency, failures, and wrong results as customers see them at the entry."""
    own = f'service="{shop.entry}"'
    window = f"[{ALERT_WINDOW_S}s]"
    buckets = f"rate(http_server_request_duration_seconds_bucket{{{own}}}{window})"
    count = f"http_server_request_duration_seconds_count{{{own}"
    steps = f"sum by (journey) (rate(journey_steps_total{window}))"
    wrong = f'sum by (journey) (rate(journey_steps_total{{outcome="wrong"}}{window}))'
    return [
        _rule(
            shop,
            "EntryLatencyHigh",
            f"histogram_quantile(0.9, sum by (le, service, operation) ({buckets})) > scalar({OBJECTIVE_METRIC})",
            f"{shop.entry} {{{{ $labels.operation }}}}: p90 latency above its objective",
        ),
        _rule(
            shop,
            "EntryErrorsHigh",
            f'sum by (service, operation) (rate({count}, status=~"5.."}}{window})) '
            f"/ sum by (service, operation) (rate({count}}}{window})) > {ERROR_SHARE}",
            f"{shop.entry} {{{{ $labels.operation }}}}: more than {ERROR_SHARE:.0%} of requests fail",
        ),
        _rule(
            shop,
            "JourneyResultsWrong",
            f"{wrong} / {steps} > {ERROR_SHARE}",
            f"{shop.entry}: journey {{{{ $labels.journey }}}} gets wrong results",
        ),
    ]


def _rule(shop: Shop, name: str, expression: str, summary: str) -> dict[str, object]:
    labels = {"severity": "critical", "namespace": shop.name, "service": shop.entry}
    return {"alert": name, "expr": expression, "for": "4s", "labels": labels, "annotations": {"summary": summary}}
