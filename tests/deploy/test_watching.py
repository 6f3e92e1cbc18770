"""Rules, dashboard and runbook speak of what the service really exposes, and of each other."""

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from prometheus_client.core import Metric

from service.errors import BackendError
from service.stores.access import Access
from service.stores.backend import Backend
from service.stores.backend_metrics import BackendMetrics
from service.telemetry import Meters
from tests.conftest import REPOSITORY
from tests.documentation.pages import PAGES, RUNBOOK, anchors
from tests.programs import installed
from tests.waiting import LIMIT_S

DEPLOY = REPOSITORY / "deploy"
RULES = DEPLOY / "prometheus" / "hypocenter.rules.yaml"
DASHBOARD = DEPLOY / "grafana" / "hypocenter.json"
NOT_OURS = {"up"}  # Prometheus' own

Json = dict[str, Any]

pytestmark = pytest.mark.anyio


def meters() -> Meters:
    made = Meters()
    made.built("0", "none")
    made.registry.register(BackendMetrics(lambda: [Backend("Loki", Access("http://127.0.0.1:1"))]))
    return made


def exposed() -> set[str]:
    """The names of all series that a service may tell."""
    return {name for family in meters().registry.collect() for name in _series(family)}


def _series(family: Metric) -> Iterator[str]:
    match family.type:
        case "counter":
            yield f"{family.name}_total"
        case "histogram":
            yield from (f"{family.name}_{part}" for part in ("bucket", "sum", "count"))
        case "info":
            yield f"{family.name}_info"
        case _:
            yield family.name


def rules() -> list[Json]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def alerts() -> list[Json]:
    return [rule for rule in rules() if "alert" in rule]


def panels() -> list[Json]:
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def metrics_in(query: str) -> set[str]:
    """Names of series in PromQL: what is followed by a selector, and what looks like ours."""
    bare = re.sub(r'"[^"]*"', '""', query)
    return set(
        re.findall(r"\b(?:hypocenter|gen_ai|process)[a-z0-9_:]*\b(?!\s*[=!])", re.sub(r"by \([^)]*\)", "", bare))
    )


def test_every_metric_in_rules_and_dashboard_is_one_that_is_exposed() -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    queries = [rule["expr"] for rule in rules()]
    queries += [target["expr"] for panel in panels() for target in panel["targets"]]
    asked = {name for query in queries for name in metrics_in(query)}
    assert len(asked) > 30
    assert asked - exposed() - recorded - NOT_OURS == set()


def test_every_metric_that_is_exposed_is_shown_or_its_process_own() -> None:
    shown = {name for panel in panels() for target in panel["targets"] for name in metrics_in(target["expr"])}
    shown |= {name for rule in rules() for name in metrics_in(rule["expr"])}
    families = {f.name for f in meters().registry.collect() if not f.name.startswith("process")}
    assert {name for name in families if not any(series.startswith(name) for series in shown)} == set()


def test_every_metric_that_a_page_names_is_exposed() -> None:
    named = {name for page in PAGES for name in re.findall(r"`(hypocenter_[a-z_]+)", page.read_text())}
    assert len(named) > 5
    assert named - exposed() == set()


def test_every_alert_has_its_page() -> None:
    pages = {alert["alert"]: alert["annotations"]["runbook_url"] for alert in alerts()}
    assert {name: url.partition("#") for name, url in pages.items()} == {
        name: ("deploy/RUNBOOK.md", "#", name.lower()) for name in pages
    }
    assert {name.lower() for name in pages} <= anchors(RUNBOOK)


def test_every_alert_is_tried() -> None:
    tried = {
        case["alertname"]
        for file in (DEPLOY / "prometheus" / "tests").glob("*.yaml")
        for test in yaml.safe_load(file.read_text())["tests"]
        for case in test["alert_rule_test"]
        if case.get("exp_alerts")
    }
    assert tried == {alert["alert"] for alert in alerts()}


def test_the_rules_do_what_they_should() -> None:
    promtool = installed("promtool", "prometheus")
    for command in (["check", "rules", RULES], ["test", "rules", *(DEPLOY / "prometheus" / "tests").glob("*.yaml")]):
        ended = subprocess.run(
            [promtool, *map(str, command)], capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_dashboard_is_one_that_grafana_reads() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    assert dashboard["schemaVersion"] >= 37  # Grafana 10's
    assert [v["name"] for v in dashboard["templating"]["list"] if v["type"] == "datasource"] == ["datasource"]
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    for panel in panels():
        assert panel["title"]
        assert panel["description"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert {"refId", "expr"} <= set(panel["targets"][0])


def test_panels_do_not_lie_over_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + dx, at["y"] + dy) for dx in range(at["w"]) for dy in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


async def test_servers_of_one_name_count_together_and_what_is_gone_still_does() -> None:
    first, second = (Backend("Loki", Access("http://127.0.0.1:1", pause_s=0)) for _ in range(2))
    used = [first, second]
    collector = BackendMetrics(lambda: used)
    for backend in used:
        with pytest.raises(BackendError):
            await backend.ask("GET", "/")
        await backend.aclose()
    before = _values(collector)
    used.remove(first)
    assert _values(collector) == before
    assert _values(collector) == before  # not counted again
    assert before["hypocenter_backend_failures_total"] == 2
    assert before["hypocenter_backend_requests_total"] == 6  # two of three are retries
    assert before["hypocenter_backend_breaker_open"] == 0


def _values(collector: BackendMetrics) -> dict[str, float]:
    return {sample.name: sample.value for family in collector.collect() for sample in family.samples}


def test_names_and_units_are_prometheus_own_way() -> None:
    for family in meters().registry.collect():
        assert re.fullmatch(r"(hypocenter|gen_ai|process)_[a-z0-9_]+", family.name)
        assert family.documentation
        assert not re.search(r"_(ms|millis|minutes|kb|mb)(_|$)", family.name), family.name
        if family.type == "histogram" and "token" not in family.name:
            assert family.name.endswith("_seconds")


def test_answers_are_timed_up_to_the_deadline() -> None:
    text = Meters(deadline_s=7).exposition().decode()
    bounds = re.findall(r'hypocenter_localization_duration_seconds_bucket\{le="([^"]+)"\}', text)
    assert bounds[-2:] == ["7.0", "+Inf"]
