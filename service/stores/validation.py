import re

from pydantic import ValidationError

UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, line separators, direction overrides and lone surrogates: nothing a name or a label needs."""

REPLACEMENT = "\ufffd"
LONGEST_LINE = 300


def printable(text: str) -> str:
    """The text on one line, with every unprintable character replaced."""
    return UNPRINTABLE.sub(REPLACEMENT, text)


def first_fault(error: ValidationError) -> str:
    """The first thing that validation found, as one short line: ``alerts[0].startsAt: field required``."""
    found = error.errors(include_url=False, include_context=False, include_input=False)[0]
    message = found["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    message = message[:1].lower() + message[1:]
    where = _dotted(found["loc"])
    return printable(f"{where}: {message}" if where else message)[:LONGEST_LINE]


def _dotted(location: tuple[int | str, ...]) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return "".join(parts).removeprefix(".")
