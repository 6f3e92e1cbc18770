"""What an alert's rule looks at is asked for; whatever a stranger writes there costs a note at most."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import quote, urlencode

import httpx
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.alert import Alert
from service.errors import BackendError
from service.stores import prometheus
from service.stores.backend import Backend
from service.stores.partial import notes_of
from service.stores.prometheus import MOST_ALERT_SERIES, PrometheusMetrics
from service.stores.prometheus_alert import LONGEST_EXPRESSION, MOST_EXPRESSIONS, measured_by
from tests.patience import patient
from tests.stores.test_prometheus import ADDRESS, T0, WINDOW, Series, Server, one, refused

ELSEWHERE = "http://elsewhere.example:1"
BURN = 'sum by (service) (rate(failures_total{code!="404"}[1m]))'
DOWN = "stock_level < 2"


def alert(expression: str, **labels: str) -> Alert:
    return Alert("f", T0, labels=labels, generator_url=f"{ELSEWHERE}/graph?{urlencode({'g0.expr': expression})}")


def ask(server: Server, *alerts: Alert) -> pa.Table:
    return asyncio.run(server.store().metrics(WINDOW, alerts))


def whose(server: Server, *alerts: Alert) -> list[tuple[str, str, str]]:
    return [(row["component"], row["kind"], row["service"]) for row in ask(server, *alerts).to_pylist()]


def test_what_a_rule_looks_at_comes_under_its_own_text_without_the_limit() -> None:
    server = Server({"failures_total": [one({"service": "cart"}, "7")]})
    (row,) = ask(server, alert(f"{BURN} > 0.5")).to_pylist()
    assert row == {
        "time": T0, "component": "cart", "kind": "service", "service": "cart",
        "metric": BURN, "unit": "", "value": 7.0,
    }  # fmt: skip
    assert f"(\n{BURN}\n)" in server.asked[0]["query"]


def test_the_lowest_is_what_matters_of_what_is_bad_when_low() -> None:
    server = Server({})
    ask(server, alert(DOWN), alert("queue_length > 5"))
    assert [asked["query"][:3] for asked in server.asked] == ["min", "max"]


def test_only_the_server_that_is_set_is_asked() -> None:
    server, hosts = Server({}), set[str]()

    def answer(request: httpx.Request) -> httpx.Response:
        hosts.add(request.url.host)
        return server(request)

    store = PrometheusMetrics(Backend("Prometheus", patient(ADDRESS), httpx.MockTransport(answer)))
    asyncio.run(store.metrics(WINDOW, [alert(BURN)]))
    assert hosts == {httpx.URL(ADDRESS).host}
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("expression", "labels", "found"),
    [
        ("errors", {"pod": "cart-0", "service": "cart"}, ("cart-0", "pod", "cart")),
        ("errors", {"service": "cart", "peer": "stock"}, ("cart->stock", "edge", "cart")),
        ("errors", {"instance": "10.0.0.1:9100"}, ("10.0.0.1:9100", "node", "")),
        ("node_load5 > 9", {"job": "exporter", "instance": "10.0.0.1:9100"}, ("10.0.0.1:9100", "node", "")),
        ("kube_pod_info", {"pod": "cart-7d9f8b6c5-x2x9z", "job": "state"}, ("cart-7d9f8b6c5-x2x9z", "pod", "cart")),
        ("errors", {}, ("checkout", "service", "checkout")),
    ],
)
def test_labels_say_what_a_rule_looks_at_else_the_alert_does(
    expression: str, labels: dict[str, str], found: tuple[str, str, str]
) -> None:
    server = Server({expression.split()[0]: [one(labels, "1")]})
    assert whose(server, alert(expression, service="checkout")) == [found]


def test_what_is_ours_or_nobodys_is_left_out() -> None:
    server = Server({"errors": [one({"job": "hypocenter"}, "1"), one({}, "1")]})
    assert whose(server, alert("errors")) == []
    assert whose(server, alert("errors", service="hypocenter")) == []


def test_what_is_asked_anyway_is_asked_once() -> None:
    server = Server({"up": [one({"job": "cart"}, "0")]})
    assert whose(server, alert("up == 0")) == [("cart", "service", "cart")]
    assert len(server.asked) == 1


def test_alerts_of_one_rule_ask_once_and_of_many_rules_those_that_fire_first() -> None:
    ended = Alert("g", T0, T0 + timedelta(minutes=1), {}, {}, f"?g0.expr={quote('old')}")
    firing = [alert(f"rule_{n}") for n in range(MOST_EXPRESSIONS)]
    server = Server({})
    table = ask(server, ended, *firing, *firing)
    assert [asked["query"].split("\n")[1] for asked in server.asked] == ["rule_0", "rule_1"]
    assert "1 of 3 expressions of alerts are not asked" in notes_of(table)[0]


def test_a_huge_expression_is_not_asked() -> None:
    server = Server({})
    (note,) = notes_of(ask(server, alert("a" * (LONGEST_EXPRESSION + 1))))
    assert note.startswith("1 of 1 expressions of alerts are not asked")
    assert server.asked == []


def test_very_many_series_are_looked_at_in_part() -> None:
    server = Server({"errors": [one({"service": f"s{n}"}, "1") for n in range(MOST_ALERT_SERIES + 1)]})
    table = ask(server, alert("errors"))
    assert table.num_rows == MOST_ALERT_SERIES
    assert notes_of(table) == ("500 of 501 series of an alert's expression looked at",)


@pytest.mark.parametrize(
    "answer",
    [
        refused("parse error\nat 3"),
        httpx.Response(503, json={"status": "error", "error": "query timed out"}),
        httpx.Response(200, json={"status": "success", "data": {"result": 3}}),
        httpx.Response(200, text="<html>log in</html>"),
    ],
)
def test_a_refusal_is_a_note_and_costs_nothing_else(answer: httpx.Response) -> None:
    up: list[Series] = [one({"job": "cart"}, "1")]
    server = Server({"up": up}, {"nonsense": answer})
    table = ask(server, alert("nonsense("))
    assert table.num_rows == 1
    (note,) = notes_of(table)
    assert note.startswith("an alert's own expression got no answer: Prometheus ")
    assert "\n" not in note


def test_an_expression_that_takes_too_long_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus, "ALERT_SHARE", 0.05 / patient(ADDRESS).total_s)
    server = Server({"up": [one({"job": "cart"}, "1")]})
    store = PrometheusMetrics(Backend("Prometheus", patient(ADDRESS), _Hanging(server, "endless")))
    table = asyncio.run(store.metrics(WINDOW, [alert("endless")]))
    assert table.num_rows == 1
    assert notes_of(table) == ("an alert's own expression got no answer: Prometheus did not answer within 0.05 s",)


class _Hanging(httpx.AsyncBaseTransport):
    """Never answers what has a word in it."""

    def __init__(self, answer: Callable[[httpx.Request], httpx.Response], word: str) -> None:
        self.answer, self.word = answer, word

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        if self.word.encode() in request.content:
            await asyncio.Event().wait()
        return self.answer(request)


def test_a_rule_does_not_hide_that_the_server_is_gone() -> None:
    with pytest.raises(BackendError):
        ask(Server({}, {"/values": httpx.Response(500)}), alert("errors"))


@pytest.mark.parametrize(
    ("expression", "measured", "falls"),
    [
        ("up == 0", "up", True),
        ("up == 0.5", "up", False),
        ("ready == bool 0 and on (pod) old > 5", "ready", True),
        ("ready == 0x1", "ready", False),
        ("a / b > 0.05", "a / b", False),
        ("a / b <= 0.05", "a / b", True),
        ('a{x!="b", y="> 1"} offset 5m >= 1', 'a{x!="b", y="> 1"} offset 5m', False),
        ("sum(a > 1) # >\n > 2", "sum(a > 1) # >", False),
        ("'\\'> 1' > 2", "'\\'> 1'", False),
        ("(a > 5)", "(a > 5)", False),
        ("> 5", "> 5", False),
        (") > 5", ") > 5", False),
        ('"> 5', '"> 5', False),
        ("absent(up)", "absent(up)", False),
    ],
)
def test_what_is_measured_stands_left_of_the_first_comparison(expression: str, measured: str, falls: bool) -> None:
    assert measured_by(expression) == (measured, falls)


@given(st.text(st.sampled_from("ab0 ()[]{}<>=!\"'`#\\\n"), max_size=40))
def test_what_is_measured_is_a_beginning_of_any_text(text: str) -> None:
    assert text.lstrip().startswith(measured_by(text)[0].lstrip())
