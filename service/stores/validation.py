import hashlib
import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, ValidationError

from service.domain.component import EDGE_ARROW
from service.text import printable

LONGEST_LINE = 300
LONGEST_NAME = 300
"""Names are shorter; statements that tracers take for operations are not always."""

YEARS = range(1970, 2200)
"""Telemetry is of these years; beyond them arithmetic on times ends in overflows, here or in a store's nanoseconds."""


def _need_text(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError(f"is a {type(value).__name__}, should be an RFC 3339 time")
    return value


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("lies outside the calendar") from None


def _plausible(value: datetime) -> datetime:
    if value.year not in YEARS:
        raise ValueError(f"is of the year {value.year}, should be a time of telemetry")
    return value


AnyMoment = Annotated[AwareDatetime, BeforeValidator(_need_text), AfterValidator(_in_utc)]
"""An RFC 3339 time with its zone, brought to UTC; zero times too."""

Moment = Annotated[AnyMoment, AfterValidator(_plausible)]
"""A time at which something can have happened."""


def name_of(text: str) -> str:
    """A stranger's name as it may be shown: printable, and where it is very long the beginning and a digest of all. Of
    an edge that goes for either end, so that they are called as elsewhere.
    """
    if len(text) <= LONGEST_NAME and text.isascii() and text.isprintable():
        return text
    caller, arrow, callee = text.partition(EDGE_ARROW)
    return f"{_bounded(caller)}{arrow}{_bounded(callee)}" if arrow else _bounded(text)


def _bounded(text: str) -> str:
    name = printable(text)
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{name[: LONGEST_NAME - 9]}…{digest}"


def first_fault(error: ValidationError) -> str:
    """The first thing that validation found, for the message of an error, short: ``alerts[0].startsAt: is missing``."""
    found = error.errors(include_url=False, include_context=False, include_input=False)[0]
    message = found["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    message = _PYTHONIC.sub(lambda said: _JSON.get(said[0], ""), message[:1].lower() + message[1:])
    where = _dotted(found["loc"])
    return (f"{where}: {message}" if where else message)[:LONGEST_LINE]


_JSON = {
    "a valid dictionary": "an object",
    "a valid list": "a list",
    "a valid tuple": "a list",
    "a valid string": "a string",
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "field required": "is missing",
    "tuple should": "list should",
    " after validation": "",
}
"""What pydantic calls by Python's names, in the words of those who write JSON or TOML."""
_PYTHONIC = re.compile("|".join((*_JSON, r" or instance of \w+")))


def _dotted(location: tuple[int | str, ...]) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return "".join(parts).removeprefix(".")
