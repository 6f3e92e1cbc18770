"""OTLP/HTTP bodies: protobuf or JSON, plain or gzip, to messages; and the answers in the encoding of the request."""

import contextlib
import json
import zlib
from typing import TypeVar

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTracePartialSuccess

from service.stores.embedded.records import (
    UNREADABLE,
    WHY_LENGTH,
    BinaryEncoding,
    Encoding,
    JsonEncoding,
    Refused,
    fill,
)
from service.stores.embedded.refusals import MalformedError, OversizeError

M = TypeVar("M", bound=Message)

GZIP_BITS = 31
LONGEST_NUMBER = 100
"""Digits of an integer in JSON; Python refuses to read very long ones, and none of OTLP's has more than twenty."""


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


def message(kind: type[M], body: bytes, *, as_json: bool) -> tuple[M, Refused]:
    """The body as that message, and the records that could not be read. Unknown fields are ignored.

    Raises `MalformedError` where the body as such cannot be read.
    """
    refused = Refused()
    try:
        if as_json:
            return _filled(kind, _json_of(body), JsonEncoding(), refused), refused
        with contextlib.suppress(DecodeError):
            return kind.FromString(body), refused  # all in one step: most bodies have nothing odd
        return _filled(kind, body, BinaryEncoding(), refused), refused
    except UNREADABLE as error:
        form = "JSON" if as_json else "protobuf"
        raise MalformedError(f"the body is no {kind.DESCRIPTOR.name} in {form}: {str(error)[:WHY_LENGTH]}") from None


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


def _filled(kind: type[M], body: object, encoding: Encoding, refused: Refused) -> M:
    read = kind()
    fill(read, body, encoding, refused)
    return read


def _json_of(body: bytes) -> object:
    """What cannot be meant stays what it is where it stands, for its own record to be refused: bytes that are no text,
    half a surrogate pair, and numbers longer than any of OTLP's.
    """
    return json.loads(body.decode(errors="surrogateescape"), parse_int=_number_of)


def _number_of(digits: str) -> int | str:
    return int(digits) if len(digits) <= LONGEST_NUMBER else digits
