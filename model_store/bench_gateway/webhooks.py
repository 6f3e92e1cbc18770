"""Bodies as Alertmanager sends them, of groups that live the lives of groups."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from service.domain.alert import Alert
from service.stores.alert_body import AlertGroup, alert_body

TOGETHER = 100
"""Groups that live at the same time."""

OPENS_WITH, GROWS_TO = 3, 5
BEGAN = datetime(2026, 3, 4, 5, 6, 7, 250_000, UTC)


def lives(first: int, groups: int) -> Iterator[bytes]:
    """Each group opens, is repeated, grows and is resolved: four webhooks, three to five alerts each. Groups are
    numbered from ``first`` on; none shares anything with another.
    """
    for begin in range(first, first + groups, TOGETHER):
        block = range(begin, min(begin + TOGETHER, first + groups))
        for size, over in ((OPENS_WITH, False), (OPENS_WITH, False), (GROWS_TO, False), (GROWS_TO, True)):
            yield from (_body(number, size, over) for number in block)


def openings(first: int, groups: int) -> Iterator[bytes]:
    """One webhook for each group, which goes on burning."""
    return (_body(number, OPENS_WITH, over=False) for number in range(first, first + groups))


def storm(first: int, groups: int, alerts: int, step: int = 5) -> Iterator[bytes]:
    """Groups that grow together until there are so many alerts; as Alertmanager has it, each time the whole group."""
    largest = alerts // groups
    for size in (*range(step, largest, step), largest):
        yield from (_body(number, size, over=False) for number in range(first, first + groups))


def request(body: bytes, port: int) -> bytes:
    """The whole of a request."""
    head = f"POST /v1/alerts HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    return f"{head}User-Agent: Alertmanager/0.27.0\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def _body(number: int, size: int, over: bool) -> bytes:
    alerts = [_alert(number, n, over) for n in range(size)]
    return json.dumps(alert_body(_group(number, alerts, over))).encode()


def _group(number: int, alerts: Sequence[Alert], over: bool) -> AlertGroup:
    labels = {"alertname": "HighLatency", "service": f"service-{number}"}
    return AlertGroup(f"{{}}:{labels}", "resolved" if over else "firing", tuple(alerts), labels)


def _alert(number: int, n: int, over: bool) -> Alert:
    service, pod = f"service-{number}", f"service-{number}-7d4b9c-{n}"
    return Alert(
        fingerprint=f"{number:08x}{n:08x}",
        starts_at=BEGAN + timedelta(seconds=n),
        ends_at=BEGAN + timedelta(minutes=9) if over else None,
        labels={"alertname": "HighLatency", "namespace": "shop", "service": service, "pod": pod, "severity": "page"},
        annotations={
            "summary": f"{pod} answers slowly",
            "description": "The 95th percentile of its requests has been above 500 ms for five minutes.",
            "runbook_url": "https://runbooks.example.org/high-latency",
        },
        generator_url="http://prometheus:9090/graph?g0.expr=histogram_quantile%280.95%2C+rate%28requests%5B5m%5D%29%29",
    )
