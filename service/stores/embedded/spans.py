from collections.abc import Sequence
from itertools import chain
from operator import attrgetter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from service.ports import SPANS
from service.stores.embedded.decoded import Acceptable, Bools, Decoded, from_nanoseconds, kept_rows
from service.stores.embedded.origin import NAME_LENGTH, UNKNOWN, Origin, origin_of
from service.telemetry import NAME

_compute: Any = pc

KINDS = ("", "internal", "server", "client", "producer", "consumer")
STATUSES = ("unset", "ok", "error")

# Column by column, and what can be done for all rows in one step is: some thousand spans come at once.
_TOLD = "trace_id span_id parent_span_id name kind start_time_unix_nano end_time_unix_nano status.code".split()
_tell: Any = attrgetter(*_TOLD)


def decode_spans(request: ExportTraceServiceRequest, times: Acceptable) -> Decoded:
    """Rows of `SPANS`. A span without valid ids, or of a time that is not acceptable, is rejected; one that ends
    before it starts lasted no time. hypocenter's own spans are taken and not kept. Attributes, events, links are not
    looked at.
    """
    sent = [(origin_of(each.resource), each.scope_spans) for each in request.resource_spans]
    parts = [(origin, scope.spans) for origin, scopes in sent if origin.service != NAME for scope in scopes]
    counts = np.array([len(spans) for _, spans in parts], np.int64)
    told = _columns(list(chain.from_iterable(spans for _, spans in parts)))
    return _checked(told, [origin for origin, _ in parts], counts, times)


def _columns(spans: Sequence[Span]) -> dict[str, Any]:
    columns = list(zip(*map(_tell, spans), strict=True)) or [()] * len(_TOLD)
    return dict(zip(_TOLD, columns, strict=True))


def _checked(told: dict[str, Any], origins: Sequence[Origin], counts: Any, times: Acceptable) -> Decoded:
    starts, ends = (from_nanoseconds(told[f"{end}_time_unix_nano"]) for end in ("start", "end"))
    traces, spans, parents = (_hexadecimal(told[name]) for name in ("trace_id", "span_id", "parent_span_id"))
    rows = np.repeat(np.arange(len(origins)), counts)
    columns = {
        "trace_id": traces,
        "span_id": spans,
        "parent_span_id": _compute.if_else(pa.array(_is_id(parents, 16)), parents, ""),
        "service": _named([origin.service or UNKNOWN for origin in origins], rows),
        "pod": _named([origin.pod for origin in origins], rows),
        "node": _named([origin.node for origin in origins], rows),
        "operation": _compute.utf8_slice_codeunits(pa.array(told["name"], pa.string()), 0, NAME_LENGTH),
        "kind": _coded(KINDS, told["kind"]),
        "start": starts,
        "duration_us": np.maximum(ends - starts, 0),
        "status": _coded(STATUSES, told["status.code"]),
    }
    checks = [
        (_is_id(traces, 32), "a trace id is not 16 bytes, or all zero"),
        (_is_id(spans, 16), "a span id is not 8 bytes, or all zero"),
        (times.among(starts), "a span's start is missing, older than what is kept, or in the future"),
    ]
    return kept_rows(columns, SPANS, checks, len(starts))


def _hexadecimal(ids: Sequence[bytes]) -> Any:
    """All ids as text, in one step: the digits of all of them, and where each begins."""
    ends = np.cumsum(np.fromiter(map(len, ids), np.int64, len(ids))) * 2
    offsets = np.concatenate([[0], ends]).astype(np.int32)
    digits = b"".join(ids).hex().encode()
    strings: Any = pa.StringArray
    return strings.from_buffers(len(ids), pa.py_buffer(offsets.tobytes()), pa.py_buffer(digits))


def _named(names: Sequence[str], rows: Any) -> Any:
    texts: Any = pa.array(names, pa.string())
    return texts.take(rows)


def _coded(names: Sequence[str], codes: Sequence[int]) -> Any:
    """Names by number; a number that has none is as good as 0, which is none."""
    numbers = np.array(codes, np.int64)
    return _named(names, np.where((numbers >= 0) & (numbers < len(names)), numbers, 0))


def _is_id(texts: Any, digits: int) -> Bools:
    right = _compute.and_(
        _compute.equal(_compute.binary_length(texts), digits), _compute.not_equal(texts, "0" * digits)
    )
    return right.to_numpy(zero_copy_only=False)
