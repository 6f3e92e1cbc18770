import json
from datetime import UTC, datetime
from urllib.parse import parse_qs, unquote, urlsplit

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.agent.document import localization_document
from service.agent.links import PLACES, Links, Template
from service.agent.printing import answer_lines
from service.domain.component import Component, ComponentKind, edge, service
from service.domain.evidence import Evidence, EvidenceKind, Signal
from service.domain.window import Window
from tests.agent.scene import a_view
from tests.agent.test_document import SCHEMA, answered

WINDOW = Window(datetime(2026, 3, 1, 11, 50, tzinfo=UTC), datetime(2026, 3, 1, 12, 5, tzinfo=UTC))
JAEGER = "https://jaeger.example/search?service={service}&operation={operation}&start={start_us}&end={end_us}"
GRAFANA = (
    'https://grafana.example/explore?schemaVersion=1&panes={"h":{"datasource":"loki","queries":[{"refId":"A",'
    '"expr":"{service_name=\\"{service}\\"} |= ``"}],"range":{"from":"{start_ms}","to":"{end_ms}"}}}'
)
KIBANA = (
    "https://kibana.example/app/discover#/?_g=(time:(from:'{start}',to:'{end}'))"
    "&_a=(query:(language:kuery,query:'service.name:\"{service}\"'))"
)


def evidence(about: Component, signal: Signal = Signal.TRACES, subject: str = "GET /cart") -> Evidence:
    return Evidence("e0", signal, EvidenceKind.LATENCY, about, subject, 5.0, 1.0)


def link(
    template: str, about: Component | None = None, signal: Signal = Signal.TRACES, subject: str = "GET /cart"
) -> str:
    links = Links({signal: (Template(template),)})
    return links.to(evidence(about or service("cart"), signal, subject), service("cart"), WINDOW)


def test_a_search_in_jaeger() -> None:
    query = parse_qs(urlsplit(link(JAEGER)).query)
    assert query["service"] == ["cart"]
    assert query["operation"] == ["GET /cart"]
    assert query["start"] == ["1772365800000000"]
    assert query["end"] == ["1772366700000000"]


def test_an_exploration_in_grafana_is_json_in_an_address() -> None:
    address = link(GRAFANA, signal=Signal.LOGS)
    assert not set(address) & set(' "{}\\')
    pane = json.loads(parse_qs(urlsplit(address).query)["panes"][0])["h"]
    assert pane["queries"][0]["expr"] == '{service_name="cart"} |= ``'
    assert pane["range"] == {"from": "1772365800000", "to": "1772366700000"}


def test_a_discovery_in_kibana() -> None:
    fragment = unquote(urlsplit(link(KIBANA)).fragment)
    assert "from:'2026-03-01T11:50:00Z',to:'2026-03-01T12:05:00Z'" in fragment
    assert "query:'service.name:\"cart\"'" in fragment


@pytest.mark.parametrize(
    ("about", "place", "expected"),
    [
        (edge("shop", "cart"), "caller", "shop"),
        (edge("shop", "cart"), "callee", "cart"),
        (edge("shop", "cart"), "service", "cart"),
        (edge("shop", "cart"), "component", "shop-%3Ecart"),
        (Component(ComponentKind.POD, "cart-1"), "pod", "cart-1"),
        (Component(ComponentKind.POD, "cart-1"), "service", "cart"),
        (Component(ComponentKind.NODE, "n1"), "node", "n1"),
    ],
)
def test_places_say_what_the_evidence_is_about(about: Component, place: str, expected: str) -> None:
    assert link(f"https://x.example/{{{place}}}", about) == f"https://x.example/{expected}"


def test_of_several_templates_the_first_that_can_be_filled_is_taken() -> None:
    links = Links({Signal.METRICS: (Template("https://x.example/pod/{pod}"), Template("https://x.example/{metric}"))})
    of_service = evidence(service("cart"), Signal.METRICS, "cpu")
    of_pod = evidence(Component(ComponentKind.POD, "cart-1"), Signal.METRICS, "cpu")
    assert links.to(of_service, service("cart"), WINDOW) == "https://x.example/cpu"
    assert links.to(of_pod, service("cart"), WINDOW) == "https://x.example/pod/cart-1"


def test_without_a_template_there_is_no_link() -> None:
    assert Links().to(evidence(service("cart")), service("cart"), WINDOW) == ""


def test_a_change_may_lie_before_the_time_under_suspicion() -> None:
    assert link("https://x.example/{start}", signal=Signal.CHANGES) == "https://x.example/2026-03-01T10%3A50%3A00Z"


BAD: list[tuple[str, str]] = [
    ("javascript:alert(1)", "http"),
    ("https://{service}.example/", "host"),
    ("https://x.example/{sevice}", "sevice"),
]


@pytest.mark.parametrize(("template", "named"), BAD)
def test_a_template_that_cannot_be_meant_is_refused(template: str, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Template(template)


@pytest.mark.parametrize("name", ['cart"} or {x="', "cart'", "cart\\", "cart`", "cart\n", "!cart"])
def test_a_name_that_could_end_a_query_has_no_link(name: str) -> None:
    assert link(GRAFANA, service(name), Signal.LOGS) == ""


@given(st.text(min_size=1), st.text(min_size=1))
def test_whatever_strangers_call_things_an_address_stays_at_its_host(name: str, subject: str) -> None:
    address = link(JAEGER, service(name), subject=subject)
    if address:
        parts = urlsplit(address)
        assert (parts.scheme, parts.netloc, parts.path) == ("https", "jaeger.example", "/search")
        assert parse_qs(parts.query, keep_blank_values=True)["service"] == [name]
        assert address.isascii()


def test_an_answer_carries_its_links_and_keeps_to_the_schema() -> None:
    links = Links({signal: (Template(f"https://x.example/{signal}/{{service}}"),) for signal in Signal})
    said = localization_document(answered(a_view()), id="l1", incident_id="i1", links=links)
    jsonschema.validate(json.loads(json.dumps(said)), SCHEMA)
    first = json.loads(json.dumps(said))["causes"][0]["evidence"][0]
    assert (first["component"], first["link"]) == ("checkout->cart", "https://x.example/traces/cart")


def test_what_is_printed_tells_where_it_can_be_seen_each_place_once() -> None:
    links = Links({Signal.TRACES: (Template("https://x.example/traces?service={service}"),)})
    first = "\n".join(answer_lines(answered(a_view()), links)).split("\n\n")[1]
    assert first.count("   see      https://x.example/traces?service=cart") == 1


def test_every_place_can_be_filled_by_some_evidence() -> None:
    abouts = [service("a"), edge("a", "b"), Component(ComponentKind.POD, "p"), Component(ComponentKind.NODE, "n")]
    for place in PLACES:
        filled = [
            link(f"https://x.example/{{{place}}}", about, signal)
            for about in abouts
            for signal in (Signal.TRACES, Signal.METRICS)
        ]
        assert any(filled), place
