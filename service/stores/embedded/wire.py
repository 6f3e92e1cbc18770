"""OTLP/HTTP bodies: protobuf or JSON, plain or gzip, to messages; and the answers in the encoding of the request."""

import base64
import json
import zlib
from collections.abc import Iterator
from typing import Any, TypeVar, cast

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTracePartialSuccess
from pydantic_core import from_json

from service.stores.embedded.refusals import MalformedError, OversizeError

M = TypeVar("M", bound=Message)

GZIP_BITS = 31
_IDS = ("traceId", "spanId", "parentSpanId")


def unpacked(body: bytes, limit_bytes: int) -> bytes:
    """What the gzip body holds. Raises `OversizeError` as soon as it is known to be longer than the limit, whatever it
    would have become, and `MalformedError` if it is not one whole gzip stream.
    """
    stream = zlib.decompressobj(wbits=GZIP_BITS)
    try:
        found = stream.decompress(body, limit_bytes + 1)
    except zlib.error as error:
        raise MalformedError(f"the body is no gzip: {error}") from None
    if len(found) > limit_bytes:
        raise OversizeError(f"the body unpacks to more than {limit_bytes} bytes, which is the limit")
    if not stream.eof or stream.unused_data:
        raise MalformedError("the body is not one whole gzip stream")
    return found


def message(kind: type[M], body: bytes, *, as_json: bool) -> M:
    """The body as that message. Unknown fields are ignored. Raises `MalformedError`."""
    try:
        return _of_json(kind, body) if as_json else kind.FromString(body)
    except (DecodeError, json_format.ParseError, ValueError, RecursionError, TypeError) as error:
        form = "JSON" if as_json else "protobuf"
        raise MalformedError(f"the body is no {kind.DESCRIPTOR.name} in {form}: {str(error)[:200]}") from None


def answer_bytes(answer: Message, *, as_json: bool) -> bytes:
    """The message as it goes out."""
    if as_json:
        return json_format.MessageToJson(answer, indent=None).encode()
    return answer.SerializeToString()


def refusal_bytes(why: str, *, as_json: bool) -> bytes:
    """A `google.rpc.Status` that says why: OTLP's body of every answer that is no success.

    It has its text in field 2, as a partial success has: the bytes are the same.
    """
    if as_json:
        return json.dumps({"message": why}).encode()
    return ExportTracePartialSuccess(error_message=why).SerializeToString()


def _of_json(kind: type[M], body: bytes) -> M:
    told: object = from_json(body)  # refuses lone surrogates, over which protobuf stumbles
    if not isinstance(told, dict):
        raise MalformedError("the body should be a JSON object")
    for record in _records(cast("dict[str, object]", told)):
        for key in _IDS:
            if key in record:
                record[key] = _base64_of_hex(record[key])
    return json_format.ParseDict(cast("dict[str, Any]", told), kind(), ignore_unknown_fields=True)


def _records(told: dict[str, object]) -> Iterator[dict[str, object]]:
    """Spans (with their links) and log records: in OTLP's JSON their ids are hexadecimal, which protobuf's is not."""
    for outer, scope, inner in (("resourceSpans", "scopeSpans", "spans"), ("resourceLogs", "scopeLogs", "logRecords")):
        for resource in _objects(told.get(outer)):
            for scoped in _objects(resource.get(scope)):
                for record in _objects(scoped.get(inner)):
                    yield record
                    yield from _objects(record.get("links"))


def _objects(told: object) -> Iterator[dict[str, object]]:
    if isinstance(told, list):
        for item in cast("list[object]", told):
            if isinstance(item, dict):
                yield cast("dict[str, object]", item)


def _base64_of_hex(told: object) -> object:
    """An id that is no hexadecimal number becomes an empty one: its record will be rejected, not the whole request."""
    if not isinstance(told, str):
        return told
    try:
        return base64.b64encode(bytes.fromhex(told)).decode()
    except ValueError:
        return ""
