"""Hand-made views: a small system with a known fault, as evidence rows."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from service.domain.alert import Alert
from service.domain.component import Component, ComponentKind, edge, service
from service.domain.evidence import Evidence, EvidenceKind, Signal
from service.domain.graph import ServiceGraph
from service.domain.incident import Incident
from service.domain.window import Window
from service.evidence.tables import Compared, Tables
from service.ports import CHANGES, LOGS, METRICS, SPANS
from service.view.view import View

ALERTED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SERVICES = ("frontend", "checkout", "cart", "cart-db", "ads")
NODES = ("host-b", "host-a")
CALLS = frozenset({("frontend", "checkout"), ("frontend", "ads"), ("checkout", "cart"), ("cart", "cart-db")})

_SIGNAL = {EvidenceKind.METRIC: Signal.METRICS, EvidenceKind.CHANGE: Signal.CHANGES}


def finding(
    kind: EvidenceKind,
    component: Component,
    subject: str,
    score: float,
    *,
    now: float = 300_000.0,
    before: float | None = 10_000.0,
    unit: str = "us",
    severity: str = "",
    example: str = "",
    given: str = "",
) -> Evidence:
    """One row of evidence; what moved by so many standard errors has a fifth of that as its effect."""
    log = kind.value.startswith("log-")
    return Evidence(
        id="",
        signal=_SIGNAL.get(kind, Signal.LOGS if log else Signal.TRACES),
        kind=kind,
        component=component,
        subject=subject,
        score=score,
        effect=score / 5,
        now=now,
        before=before,
        unit=unit,
        n_now=120,
        n_before=300,
        severity=severity,
        example=example,
        given=given,
    )


def slow_network_to_cart() -> list[Evidence]:
    """Calls to cart wait; its callers are slow for it; ads has a harmless burst of its own."""
    return [
        finding(EvidenceKind.GAP, edge("checkout", "cart"), "Cart/Get", 30.0),
        finding(EvidenceKind.LATENCY, service("checkout"), "Checkout/Place", 20.0),
        finding(EvidenceKind.LATENCY, service("frontend"), "GET /", 12.0),
        finding(EvidenceKind.METRIC, pod("ads-0"), "network_rx_bytes", 6.0, now=9.0, before=3.0, unit="B/s"),
        finding(
            EvidenceKind.LOG_MORE,
            service("ads"),
            "cache miss <n>",
            3.0,
            now=0.3,
            before=0.1,
            unit="share",
            severity="info",
            example="cache miss 3",
            given="GET /",
        ),
    ]


def pod(name: str) -> Component:
    """The pod of that name."""
    return Component(ComponentKind.POD, name)


def a_view(
    evidence: Sequence[Evidence] | None = None,
    *,
    graph: ServiceGraph | None = None,
    alerting: str = "frontend",
    labels: dict[str, str] | None = None,
    notes: tuple[str, ...] = (),
) -> View:
    """A view of the small system; by default the network to cart is slow."""
    graph = graph or ServiceGraph(
        services=SERVICES,
        calls=CALLS,
        pods={f"{s}-0": s for s in SERVICES},
        hosts={s: (NODES[i % 2],) for i, s in enumerate(SERVICES)},
    )
    rows = sorted(slow_network_to_cart() if evidence is None else evidence, key=lambda e: -e.score)
    numbered = tuple(replace(e, id=f"e{i}") for i, e in enumerate(rows))
    return View(an_incident(alerting, labels), tables(), graph, numbered, ALERTED - timedelta(minutes=2), notes)


def an_incident(alerting: str = "frontend", labels: dict[str, str] | None = None) -> Incident:
    """One alert of one service, which telemetry knows."""
    alert = Alert("f1", ALERTED, labels={"alertname": "Slow", "service": alerting, **(labels or {})})
    window = Window(ALERTED - timedelta(minutes=10), ALERTED + timedelta(minutes=5))
    return Incident("i1", (alert,), window, alerting=(alerting,))


def tables() -> Tables:
    """Every signal recorded, without rows; logs have no baseline."""
    return Tables(
        alerted_at=ALERTED,
        spans=Compared(SPANS.empty_table(), SPANS.empty_table()),
        logs=Compared(LOGS.empty_table()),
        metrics=Compared(METRICS.empty_table(), METRICS.empty_table()),
        changes=CHANGES.empty_table(),
    )


def renamed(view: View, names: dict[str, str]) -> View:
    """The same incident in a system whose services and nodes are called otherwise."""

    def of(component: Component) -> Component:
        match component.kind:
            case ComponentKind.EDGE:
                caller, callee = component.name.split("->")
                return edge(names[caller], names[callee])
            case ComponentKind.POD:
                return pod(f"{names[view.graph.pods[component.name]]}-0")
            case ComponentKind.SERVICE:
                return service(names[component.name])
            case ComponentKind.NODE:
                return Component(ComponentKind.NODE, names[component.name])

    graph = ServiceGraph(
        services=tuple(names[s] for s in view.graph.services),
        calls=frozenset((names[a], names[b]) for a, b in view.graph.calls),
        pods={f"{names[s]}-0": names[s] for s in view.graph.pods.values()},
        hosts={names[s]: tuple(names[n] for n in nodes) for s, nodes in view.graph.hosts.items()},
    )
    evidence = tuple(replace(e, component=of(e.component)) for e in view.evidence)
    alerting = names[view.incident.alerting_services[0]]
    return View(an_incident(alerting), view.tables, graph, evidence, view.onset, view.notes)
