"""The traces of a table, as the fakes of trace servers search them: beside the real adapters, for tests."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from service.stores.embedded.decoded import microseconds
from service.stores.span_rows import SPAN_DIGITS, TRACE_DIGITS

Row = Mapping[str, Any]
Trace = Sequence[Row]

_HEX = re.compile("[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a search looks for: a trace with a span of the service ("" for any), of that time, which failed, or took so
    long, where that is asked for. Times in microseconds, both ends included.
    """

    service: str
    start_us: int
    end_us: int
    failed: bool = False
    at_least_us: int = 0

    def has(self, row: Row) -> bool:
        """Whether a span is one."""
        return (
            self.service in ("", row["service"])
            and self.start_us <= row["start_us"] <= self.end_us
            and (not self.failed or row["status"] == "error")
            and row["duration_us"] >= self.at_least_us
        )


class FakeTraces:
    """A table of spans by trace. Ids become what servers have: 32 and 16 hexadecimal digits."""

    def __init__(self, spans: pa.Table) -> None:
        self.traces: dict[str, list[Row]] = {}
        for row in spans.to_pylist():
            told = _with_ids(row)
            self.traces.setdefault(told["trace_id"], []).append(told)

    @property
    def services(self) -> list[str]:
        """All services, sorted."""
        return sorted({row["service"] for trace in self.traces.values() for row in trace})

    def found(self, wanted: Wanted, limit: int) -> list[Trace]:
        """Whole traces, the newest first."""
        fitting: list[Trace] = [trace for trace in self.traces.values() if any(wanted.has(row) for row in trace)]
        return sorted(fitting, key=lambda trace: -max(row["start_us"] for row in trace))[:limit]

    def calls(self) -> Iterator[tuple[str, str]]:
        """Caller and callee of every span whose parent belongs to another service."""
        for trace in self.traces.values():
            owners = {row["span_id"]: row["service"] for row in trace}
            for row in trace:
                caller = owners.get(row["parent_span_id"], row["service"])
                if caller != row["service"]:
                    yield caller, row["service"]


def hexadecimal(text: str, digits: int) -> str:
    """An id as digits: itself where it is one, else its digest; "" stays."""
    if not text:
        return ""
    if len(text) <= digits and _HEX.fullmatch(text) and text.strip("0"):
        return text.rjust(digits, "0")
    return hashlib.sha256(text.encode()).hexdigest()[:digits]


def _with_ids(row: Row) -> dict[str, Any]:
    return {
        **row,
        "trace_id": hexadecimal(row["trace_id"], TRACE_DIGITS),
        "span_id": hexadecimal(row["span_id"], SPAN_DIGITS),
        "parent_span_id": hexadecimal(row["parent_span_id"], SPAN_DIGITS),
        "linked_trace_id": hexadecimal(row["linked_trace_id"], TRACE_DIGITS),
        "linked_span_id": hexadecimal(row["linked_span_id"], SPAN_DIGITS),
        "start_us": microseconds(row["start"]),
    }


def span_attributes(row: Row) -> dict[str, str]:
    """What an instrumentation writes on a span to whoever the row says that it speaks to."""
    match row["peer_role"]:
        case "queue":
            system, _, destination = row["peer"].partition(":")
            return {"messaging.system": system, "messaging.destination.name": destination}
        case "database":
            return {"db.system.name": "postgresql", "peer.service": row["peer"], "db.namespace": "ours"}
        case "cache":
            return {"db.system": "redis", "net.peer.name": f"{row['peer']}.shop.svc.cluster.local"}
        case "external":
            return {"url.full": f"https://user:secret@{row['peer']}:8443/v1/pay?token=secret"}
        case _:
            return {}
