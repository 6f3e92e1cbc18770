"""What a server says is wrong, of what it answered instead."""

import json
from typing import Final

import httpx

from service.domain.echo import unechoed

LONGEST_COMPLAINT: Final = 200


def is_page(response: httpx.Response, body: bytes) -> bool:
    """Whether it is a web page."""
    declared = response.headers.get("content-type", "").startswith("text/html")
    return declared or body[:200].lstrip().lower().startswith((b"<!doctype html", b"<html"))


def complaint_of(response: httpx.Response, body: bytes) -> str:
    """What a server says is wrong, as one short line: of JSON the member that tells, of a page nothing."""
    if is_page(response, body):
        return ""
    text = body[:65_536].decode("utf-8", "replace")
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        answer = text
    for member in ("error", "message", "reason"):
        if isinstance(answer, dict) and member in answer:
            answer = answer[member]  # pyright: ignore[reportUnknownVariableType]
    complaint, request = " ".join(str(answer).split()), response.request  # pyright: ignore[reportUnknownArgumentType]
    return unechoed(complaint, request.headers, (request.url.password, request.url.username))[:LONGEST_COMPLAINT]
