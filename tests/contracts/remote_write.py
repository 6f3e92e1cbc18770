"""Prometheus' remote write, as far as a test needs it: samples and native histograms of some series."""

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import httpx
import pyarrow as pa

from tests.waiting import LIMIT_S

SCHEMA = 0
"""Buckets are powers of two."""


@dataclass(frozen=True, slots=True)
class NativeHistogram:
    """Counts of observations in ``(2^(first-1), 2^first]`` and the buckets after it, as they are at a moment."""

    at_s: float
    first: int
    counts: Sequence[int]
    total: float


def push(url: str, series: Iterable[tuple[Mapping[str, str], Sequence[NativeHistogram]]]) -> None:
    """Write the histograms of all series."""
    body = b"".join(_field(1, _series(labels, histograms)) for labels, histograms in series)
    headers = {"Content-Encoding": "snappy", "X-Prometheus-Remote-Write-Version": "0.1.0"}
    packed = bytes(pa.compress(body, codec="snappy", asbytes=True))
    response = httpx.post(f"{url}/api/v1/write", content=packed, headers=headers, trust_env=False, timeout=LIMIT_S)
    assert response.is_success, response.text


def _series(labels: Mapping[str, str], histograms: Sequence[NativeHistogram]) -> bytes:
    named = (_field(1, _field(1, name.encode()) + _field(2, labels[name].encode())) for name in sorted(labels))
    return b"".join((*named, *(_field(4, _histogram(one)) for one in histograms)))


def _histogram(one: NativeHistogram) -> bytes:
    deltas = [count - before for count, before in zip(one.counts, (0, *one.counts), strict=False)]
    return b"".join(
        (
            _number(1, sum(one.counts)),
            _double(3, one.total),
            _number(4, _signed(SCHEMA)),
            _double(5, 1e-128),
            _number(6, 0),
            _field(11, _number(1, _signed(one.first)) + _number(2, len(one.counts))),
            _field(12, b"".join(_varint(_signed(delta)) for delta in deltas)),
            _number(15, round(one.at_s * 1000)),
        )
    )


def _signed(number: int) -> int:
    return number * 2 if number >= 0 else -number * 2 - 1


def _varint(number: int) -> bytes:
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*parts, number))


def _number(field: int, number: int) -> bytes:
    return _varint(field << 3) + _varint(number)


def _double(field: int, number: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", number)


def _field(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content
