from collections.abc import Sequence
from itertools import chain
from operator import attrgetter
from typing import Any

import numpy as np
import pyarrow as pa
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from service.ports import SPANS
from service.stores.callees import ATTRIBUTES, NOBODY, callee_of
from service.stores.embedded.decoded import Acceptable, Bools, Decoded, from_nanoseconds, kept_rows
from service.stores.embedded.origin import NAME_LENGTH, UNKNOWN, Origin, origin_of, text_of
from service.telemetry import NAME

TRACE_ID, SPAN_ID = 16, 8
"""Bytes of an id."""

KINDS = {1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}
STATUSES = {1: "ok", 2: "error"}
_SPEAKING = frozenset({"client", "producer", "consumer"})
_ATTRIBUTES = frozenset(ATTRIBUTES)

_TOLD = (
    "trace_id span_id parent_span_id name kind start_time_unix_nano end_time_unix_nano status.code attributes links"
).split()
_tell: Any = attrgetter(*_TOLD)
"""Column by column, with few steps a request: some hundred spans come at once, ten thousands in a second."""


def decode_spans(request: ExportTraceServiceRequest, times: Acceptable) -> Decoded:
    """Rows of `SPANS`. A span without valid ids, or of a time that is not acceptable, is rejected; one that ends
    before it starts lasted no time. hypocenter's own spans are taken and not kept. Of attributes only those are looked
    at that say whom a span speaks to, of links the first; events are not.
    """
    sent = [(origin_of(each.resource), each.scope_spans) for each in request.resource_spans]
    parts = [(origin, scope.spans) for origin, scopes in sent if origin.service != NAME for scope in scopes]
    told = _columns(list(chain.from_iterable(spans for _, spans in parts)))
    origins = list(chain.from_iterable([origin] * len(spans) for origin, spans in parts))
    return _checked(told, origins, times)


def _columns(spans: Sequence[Span]) -> dict[str, Any]:
    columns = list(zip(*map(_tell, spans), strict=True)) or [()] * len(_TOLD)
    return dict(zip(_TOLD, columns, strict=True))


def _checked(told: dict[str, Any], origins: Sequence[Origin], times: Acceptable) -> Decoded:
    starts, ends = (from_nanoseconds(told[f"{end}_time_unix_nano"]) for end in ("start", "end"))
    columns = {
        "trace_id": _hexadecimal(told["trace_id"]),
        "span_id": _hexadecimal(told["span_id"]),
        "parent_span_id": _hexadecimal(_ids_or_none(told["parent_span_id"])),
        "service": [origin.service or UNKNOWN for origin in origins],
        "pod": [origin.pod for origin in origins],
        "node": [origin.node for origin in origins],
        "operation": [name[:NAME_LENGTH] for name in told["name"]],
        "kind": [KINDS.get(kind, "") for kind in told["kind"]],
        "start": starts,
        "duration_us": np.maximum(ends - starts, 0),
        "status": [STATUSES.get(code, "unset") for code in told["status.code"]],
        **_callees(told["kind"], told["attributes"]),
        **_links(told["links"]),
    }
    checks = [
        (_are_ids(told["trace_id"], TRACE_ID), "a trace id is not 16 bytes, or all zero"),
        (_are_ids(told["span_id"], SPAN_ID), "a span id is not 8 bytes, or all zero"),
        (times.among(starts), "a span's start is missing, older than what is kept, or in the future"),
    ]
    return kept_rows(columns, SPANS, checks, len(starts))


def _callees(kinds: Sequence[int], attributes: Sequence[Sequence[KeyValue]]) -> dict[str, list[str]]:
    found = [
        callee_of(name, _looked_at(pairs)) if pairs and (name := KINDS.get(kind, "")) in _SPEAKING else NOBODY
        for kind, pairs in zip(kinds, attributes, strict=True)
    ]
    return {"peer": [name for name, _ in found], "peer_role": [role for _, role in found]}


def _looked_at(pairs: Sequence[KeyValue]) -> dict[str, str]:
    return {pair.key: text_of(pair.value)[:NAME_LENGTH] for pair in pairs if pair.key in _ATTRIBUTES}


def _links(links: Sequence[Sequence[Span.Link]]) -> dict[str, list[str]]:
    """The first of each; one without valid ids is none."""
    first = [(each[0].trace_id, each[0].span_id) if each else (b"", b"") for each in links]
    valid = [len(t) == TRACE_ID and len(s) == SPAN_ID and any(t) and any(s) for t, s in first]
    return {
        "linked_trace_id": [t.hex() if ok else "" for (t, _), ok in zip(first, valid, strict=True)],
        "linked_span_id": [s.hex() if ok else "" for (_, s), ok in zip(first, valid, strict=True)],
    }


def _hexadecimal(ids: Sequence[bytes]) -> Any:
    """All ids as text, in one step: the digits of all of them, and where each begins."""
    offsets = np.zeros(len(ids) + 1, np.int32)
    np.cumsum(_lengths(ids) * 2, out=offsets[1:])
    strings: Any = pa.StringArray
    return strings.from_buffers(len(ids), pa.py_buffer(offsets.tobytes()), pa.py_buffer(b"".join(ids).hex().encode()))


def _lengths(ids: Sequence[bytes]) -> Any:
    return np.fromiter(map(len, ids), np.int64, len(ids))


def _are_ids(ids: Sequence[bytes], length: int) -> Bools:
    right: Bools = _lengths(ids) == length
    zero = bytes(length)
    return right & np.array([id_ != zero for id_ in ids]) if zero in ids else right


def _ids_or_none(ids: Sequence[bytes]) -> Sequence[bytes]:
    """Parents' ids; what is none becomes empty, as a root's is."""
    zero = bytes(SPAN_ID)
    return [id_ if len(id_) == SPAN_ID and id_ != zero else b"" for id_ in ids]
