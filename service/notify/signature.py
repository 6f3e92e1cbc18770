"""Signatures of the Standard Webhooks specification: HMAC-SHA256 over id, time and body, so that a receiver can tell
that a message is ours, is whole and is of now.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from service.errors import BackendError
from service.stores.access import secret_in

PREFIX = "whsec_"
KEY_BYTES = range(24, 65)


def signed_headers(id_: str, now: datetime, content: bytes, keys: Sequence[bytes]) -> dict[str, str]:
    """The headers of a message: signed with every key, so that one can be replaced while the other is believed."""
    timestamp = int(now.timestamp())
    message = f"{id_}.{timestamp}.".encode() + content
    signatures = (base64.b64encode(hmac.digest(key, message, hashlib.sha256)).decode() for key in keys)
    return {
        "webhook-id": id_,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def key_in(file: Path) -> bytes:
    """The key of a file, in base64 with or without ``whsec_`` before it. Raises `BackendError`; never with the key."""
    try:
        key = base64.b64decode(secret_in(file).removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise BackendError(f"the secret in {file} is no base64") from None
    if len(key) not in KEY_BYTES:
        raise BackendError(f"the secret in {file} is of {len(key)} bytes, should be of 24 to 64")
    return key
