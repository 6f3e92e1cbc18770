import asyncio
import json
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode

import httpx
import pytest

from service.domain.alert import Alert
from service.stores.backend import Backend
from service.stores.prometheus_exemplars import PrometheusExemplars
from service.stores.trace_sampling import MOST_NAMED
from tests.patience import patient
from tests.telemetry_rows import NOON, WINDOW

SECONDS, MILLISECONDS = "http_server_request_duration_seconds_bucket", "http_server_duration_milliseconds_bucket"


def series(name: str, service: str, *exemplars: tuple[str, float], at_s: float = 60.0) -> dict[str, Any]:
    """A series as Prometheus tells of it, all its exemplars of one moment after noon."""
    told = [
        {"labels": {"traceID": trace}, "value": str(value), "timestamp": NOON.timestamp() + at_s}
        for trace, value in exemplars
    ]
    return {"seriesLabels": {"__name__": name, "service": service}, "exemplars": told}


def named(answers: dict[str, Any], *alerts: Alert) -> list[str]:
    """Trace ids, by what is answered to a question that holds a text; without their leading zeros."""

    def answer(request: httpx.Request) -> httpx.Response:
        query = parse_qs(request.content.decode())["query"][0]
        data = next((told for text, told in answers.items() if text in query), None)
        return httpx.Response(200, content=json.dumps({"status": "success", "data": data}))

    backend = Backend("Prometheus", patient("http://prometheus"), httpx.MockTransport(answer))
    found = asyncio.run(PrometheusExemplars(backend).exemplars(WINDOW, alerts))
    assert all(len(trace_id) == 32 for trace_id in found)
    return [trace_id.lstrip("0") for trace_id in found]


def test_the_slowest_come_first_whatever_the_unit() -> None:
    told = [series(SECONDS, "cart", ("a1", 0.5), ("b2", 2.0)), series(MILLISECONDS, "stock", ("c3", 900))]
    assert named({SECONDS: told}) == ["b2", "c3", "a1"]


def test_those_of_a_service_that_alerts_come_before_slower_ones() -> None:
    told = [series(SECONDS, "cart", ("a1", 0.5)), series(SECONDS, "stock", ("b2", 2.0))]
    assert named({SECONDS: told}, Alert("f", NOON, labels={"service": "cart"})) == ["a1", "b2"]


def test_those_of_what_an_alert_looks_at_come_first_of_all() -> None:
    link = f"http://prometheus/graph?{urlencode({'g0.expr': 'own_bucket > 3'})}"
    answers = {"own_bucket": [series("own_bucket", "x", ("a1", 0.1))], SECONDS: [series(SECONDS, "x", ("b2", 9))]}
    assert named(answers, Alert("f", NOON, generator_url=link)) == ["a1", "b2"]


def test_they_are_few_each_once_and_of_the_window() -> None:
    many = series(SECONDS, "cart", *((f"{n:x}", n) for n in range(1, 20)), ("13", 30.0))
    late = series(SECONDS, "cart", ("ff", 99), at_s=timedelta(days=1).total_seconds())
    found = named({SECONDS: [many, late]})
    assert found == ["13", "12", "11", "10", "f"]
    assert len(found) == MOST_NAMED


@pytest.mark.parametrize("trace", ["", "0" * 32, "not an id", "../../admin", "a" * 33])
def test_what_is_no_id_of_a_trace_is_none(trace: str) -> None:
    assert named({SECONDS: [series(SECONDS, "cart", (trace, 1))]}) == []


def test_a_server_that_keeps_none_or_fails_names_none() -> None:
    assert named({}) == []
    down = Backend("Prometheus", patient("http://prometheus"), httpx.MockTransport(lambda _: httpx.Response(404)))
    assert asyncio.run(PrometheusExemplars(down).exemplars(WINDOW)) == []
