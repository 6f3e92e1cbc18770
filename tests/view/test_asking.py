"""What the view tells its stores, and what it keeps of how they asked."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from service.domain.alert import Alert
from service.domain.evidence import EvidenceKind
from service.domain.window import Window
from service.ports import Telemetry
from service.stores.partial import ANY, with_queries
from service.stores.patience import left_s
from service.view.opening import STORES_SHARE, open_view
from service.view.view import View
from tests.telemetry_rows import BASELINE, WINDOW, at, incident, logs, metrics, spans
from tests.waiting import LIMIT_S


@dataclass
class Asked:
    """Stores that remember what they were asked, and how much time was left."""

    left: list[float] = field(default_factory=list[float])
    named: dict[Window, Sequence[str]] = field(default_factory=dict[Window, Sequence[str]])

    async def spans(self, window: Window, alerting: Sequence[str] = (), traces: Sequence[str] = ()) -> pa.Table:
        self.left.append(left_s())
        self.named[window] = traces
        return spans()

    async def exemplars(self, window: Window, alerts: Sequence[Alert] = ()) -> Sequence[str]:
        assert window == WINDOW
        return ["a", "b"]


def opened(telemetry: Telemetry, timeout_s: float = LIMIT_S) -> View:
    return asyncio.run(open_view(incident(), telemetry, timeout_s))


def test_stores_know_how_long_is_waited_for_them_and_that_it_is_a_little_less() -> None:
    stores = Asked()
    opened(Telemetry(traces=stores))
    assert stores.left
    assert all(0 < left <= STORES_SHARE * LIMIT_S for left in stores.left)
    assert left_s() == float("inf")


def test_traces_that_metrics_name_are_asked_for_now_and_not_before() -> None:
    stores = Asked()
    opened(Telemetry(traces=stores, exemplars=stores))
    assert stores.named == {WINDOW: ["a", "b"], BASELINE: ()}


class Jumping:
    """A series and lines that are another thing now than before; their server tells how it was asked."""

    async def metrics(self, window: Window, alerts: Sequence[Alert] = ()) -> pa.Table:
        now = window == WINDOW
        value, first = (9.0, 0) if now else (1.0, -35)
        rows = metrics(*({"time": at(first + minute), "value": value} for minute in range(10)))
        return with_queries(rows, {"cpu_usage": f"cpu_usage{{{'now' if now else 'before'}}}", ANY: "up"})

    async def logs(self, window: Window) -> pa.Table:
        now = window == WINDOW
        told = {"severity": "ERROR", "body": "disk is full"} if now else {"severity": "INFO"}
        first = 0 if now else -35
        rows = logs(*({"time": at(first + minute), **told} for minute in range(10)))
        return with_queries(rows, {ANY: "{}", "error": '{} |= "error"'})


def test_evidence_tells_what_was_asked_for_it_now() -> None:
    view = opened(Telemetry(metrics=Jumping(), logs=Jumping()))
    told = {(row.kind, row.severity): row.query for row in view.evidence}
    assert told[EvidenceKind.METRIC, ""] == "cpu_usage{now}"
    assert told[EvidenceKind.LOG_NEW, "error"] == '{} |= "error"'
    assert told[EvidenceKind.LOG_GONE, "info"] == "{}"


def test_where_no_server_was_asked_there_is_no_query() -> None:
    stores = Jumping()

    class Silent:
        async def metrics(self, window: Window, alerts: Sequence[Alert] = ()) -> pa.Table:
            return (await stores.metrics(window)).replace_schema_metadata(None)

    assert {row.query for row in opened(Telemetry(metrics=Silent())).evidence} == {""}
