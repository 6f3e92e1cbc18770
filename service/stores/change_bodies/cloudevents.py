"""CloudEvents 1.0 over HTTP: an envelope in the headers (binary mode) or around the data (structured mode, batches)."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote

from pydantic import Field

from service.errors import CallerError
from service.stores.change_bodies.told import Wire, fields, read
from service.stores.validation import Moment

VERSION = "1.0"


@dataclass(frozen=True, slots=True)
class Enveloped:
    """What was in the envelope, and what stands on it."""

    type: str
    data: object
    time: datetime | None = None


class _Envelope(Wire):
    specversion: str
    type: str = Field(min_length=1)
    time: Moment | None = None
    data: object = None
    data_base64: str | None = None


def is_binary(headers: Mapping[str, str]) -> bool:
    """Whether the envelope is in the headers (their names in lower case)."""
    return "ce-specversion" in headers or "ce-type" in headers


def from_headers(headers: Mapping[str, str], body: object) -> Enveloped:
    """Binary mode. Raises `CallerError`."""
    told = {name.removeprefix("ce-"): unquote(value) for name, value in headers.items() if name.startswith("ce-")}
    attributes = {name: told[name] for name in ("specversion", "type", "time") if name in told}
    return _opened(read(_Envelope, {**attributes, "data": body}))


def is_structured(body: object) -> bool:
    """Whether the body is an envelope."""
    return {"specversion", "type"} <= fields(body).keys()


def from_envelope(body: object) -> Enveloped:
    """Structured mode. Raises `CallerError`."""
    return _opened(read(_Envelope, body))


def batch(envelopes: list[object]) -> list[object]:
    """The envelopes of a batch. Raises `CallerError` where it holds something else."""
    if not envelopes or not all(map(is_structured, envelopes)):
        raise CallerError("body: a list should be a batch of CloudEvents, one at least")
    return envelopes


def _opened(envelope: _Envelope) -> Enveloped:
    if not envelope.specversion.startswith(VERSION.partition(".")[0] + "."):
        raise CallerError(f'body: specversion is "{envelope.specversion[:20]}", should be "{VERSION}"')
    return Enveloped(envelope.type, _data(envelope), envelope.time)


def _data(envelope: _Envelope) -> object:
    """The data; JSON that came as text or as bytes is read."""
    packed: object = envelope.data
    try:
        if envelope.data_base64 is not None:
            packed = base64.b64decode(envelope.data_base64, validate=True).decode()
        return json.loads(packed) if isinstance(packed, str) else packed
    except (binascii.Error, ValueError, RecursionError):
        raise CallerError("body: data of the event is no JSON") from None
