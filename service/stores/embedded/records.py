"""OTLP's messages, put together record by record: one that cannot be read costs itself, not the request.

A body is divided where OTLP nests lists (senders, their libraries, their spans, log records, metrics, data points) and
each part is read by itself. What is wrong with a sender or a library as such costs the records below it.
"""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol, cast

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from service.text import printable

DIVIDED = frozenset(
    """resource_spans scope_spans spans resource_logs scope_logs log_records resource_metrics scope_metrics metrics
    gauge sum histogram exponential_histogram summary data_points""".split()
)
"""The fields at which a body is divided, wherever they hold messages."""

UNREADABLE = (DecodeError, json_format.ParseError, ValueError, TypeError, RecursionError, SystemError)
"""What protobuf raises over values that it cannot take; `SystemError` over half a surrogate pair in a name."""

WHY_LENGTH = 200
_IDS = ("traceId", "spanId", "parentSpanId")


class Encoding(Protocol):
    """One of the two ways in which OTLP writes a message."""

    def divide(self, body: Any, fields: Sequence[FieldDescriptor]) -> tuple[Any, list[tuple[FieldDescriptor, Any]]]:
        """The body without these fields, and each of their values. Raises one of `UNREADABLE`."""
        ...

    def merge(self, body: Any, into: Message) -> None:
        """Read the body into the message. Raises one of `UNREADABLE`."""
        ...


@dataclass(slots=True)
class Refused:
    """How many records could not be read, and why (the first reason)."""

    count: int = 0
    why: str = ""

    def add(self, count: int, kind: Descriptor, error: Exception) -> None:
        """Count what stood in a part that cannot be read."""
        self.count += count
        self.why = self.why or printable(f"a {kind.name} cannot be read: {str(error)[:WHY_LENGTH]}")


def fill(into: Message, body: Any, encoding: Encoding, refused: Refused) -> None:
    """Read a body into the message, part by part; parts that cannot be read are left out and counted.

    Raises one of `UNREADABLE` for the message itself.
    """
    rest, parts = encoding.divide(body, _divided(into.DESCRIPTOR))
    encoding.merge(rest, into)
    for field, part in parts:
        children: Any = getattr(into, field.name)
        if isinstance(children, Message):
            children.SetInParent()
            fill(children, part, encoding, refused)
            continue
        try:
            fill(children.add(), part, encoding, refused)
        except UNREADABLE as error:
            del children[-1]
            refused.add(_records_in(part, _kind(field), encoding), _kind(field), error)


def _records_in(body: Any, kind: Descriptor, encoding: Encoding) -> int:
    """Spans, log records or data points below; what cannot be divided counts as one."""
    fields = _divided(kind)
    try:
        parts = encoding.divide(body, fields)[1] if fields else []
    except UNREADABLE:
        return 1
    return max(1, sum(_records_in(part, _kind(field), encoding) for field, part in parts))


@cache
def _divided(kind: Descriptor) -> tuple[FieldDescriptor, ...]:
    fields: list[FieldDescriptor] = list(kind.fields)
    return tuple(field for field in fields if field.name in DIVIDED and field.message_type is not None)


def _kind(field: FieldDescriptor) -> Descriptor:
    assert field.message_type is not None, "a body is divided at messages"
    return field.message_type


class JsonEncoding:
    """Values of JSON, as OTLP maps them: ids of spans and log records are hexadecimal, which protobuf's are not."""

    def divide(self, body: Any, fields: Sequence[FieldDescriptor]) -> tuple[Any, list[tuple[FieldDescriptor, Any]]]:
        """What is no list or object where one should be stays in the body, whose fault it then is."""
        if not isinstance(body, dict):
            raise TypeError(f"it should be a JSON object, not {type(body).__name__}")
        rest = dict(cast("dict[str, Any]", body))
        parts: list[tuple[FieldDescriptor, Any]] = []
        for field in fields:
            value: Any = rest.get(field.json_name)
            if isinstance(value, list) and _is_repeated(field):
                parts += ((field, item) for item in cast("list[Any]", rest.pop(field.json_name)))
            elif isinstance(value, dict) and not _is_repeated(field):
                parts.append((field, rest.pop(field.json_name)))
        return rest, parts

    def merge(self, body: Any, into: Message) -> None:
        """Unknown names are passed over."""
        if "trace_id" in into.DESCRIPTOR.fields_by_name:
            body = _with_base64_ids(body)
        json_format.ParseDict(body, into, ignore_unknown_fields=True)


class BinaryEncoding:
    """Protobuf's wire format. To divide it, the same fields are read as plain bytes, which are written in the same way
    as messages; every other field is unknown then, and kept as it is.
    """

    def divide(self, body: Any, fields: Sequence[FieldDescriptor]) -> tuple[Any, list[tuple[FieldDescriptor, Any]]]:
        """Of a field that may stand once, pieces that stand apart belong together."""
        if not fields:
            return body, []
        envelope = _envelope(tuple(field.number for field in fields)).FromString(body)
        parts = [(field, part) for field in fields for part in _parts(envelope, field)]
        for field in fields:
            envelope.ClearField(f"field_{field.number}")
        return envelope.SerializeToString(), parts

    def merge(self, body: Any, into: Message) -> None:
        """Unknown numbers are passed over."""
        into.MergeFromString(body)


def _with_base64_ids(record: dict[str, Any]) -> dict[str, Any]:
    changed = {key: _base64_of_hex(record[key]) for key in _IDS if key in record}
    links = record.get("links")
    if isinstance(links, list):
        changed["links"] = [
            _with_base64_ids(cast("dict[str, Any]", link)) if isinstance(link, dict) else link
            for link in cast("list[object]", links)
        ]
    return {**record, **changed}


def _base64_of_hex(written: object) -> object:
    """An id that is no hexadecimal number becomes an empty one: its record is then rejected for that."""
    if not isinstance(written, str):
        return written
    try:
        return base64.b64encode(bytes.fromhex(written)).decode()
    except ValueError:
        return ""


def _parts(envelope: Any, field: FieldDescriptor) -> Iterator[bytes]:
    found: list[bytes] = list(getattr(envelope, f"field_{field.number}"))
    if _is_repeated(field):
        yield from found
    elif found:
        yield b"".join(found)


def _is_repeated(field: FieldDescriptor) -> bool:
    return field.containing_oneof is None  # of the divided fields, those that stand once are choices of one


@cache
def _envelope(numbers: tuple[int, ...]) -> Any:
    file = FileDescriptorProto(name="envelope.proto")
    envelope = file.message_type.add(name="Envelope")
    for number in numbers:
        envelope.field.add(
            name=f"field_{number}",
            number=number,
            type=FieldDescriptorProto.TYPE_BYTES,
            label=FieldDescriptorProto.LABEL_REPEATED,
        )
    pool = DescriptorPool()
    cast(Any, pool).Add(file)
    return GetMessageClass(pool.FindMessageTypeByName("Envelope"))
