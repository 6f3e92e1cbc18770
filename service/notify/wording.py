"""Words that are the same wherever an answer is told."""

from service.notify.answer import Answer, Cause
from service.text import printable

LONGEST = 200
"""Of one statement: whoever wants the rest follows the link."""

NOTHING_STANDS_OUT = "No cause stands out"


def share(confidence: float) -> str:
    """A confidence for people."""
    return "under 1%" if confidence < 0.005 else f"{confidence:.0%}"


def titled(cause: Cause) -> str:
    """What is at fault and how, with how sure that is."""
    return f"{clipped(cause.component.name)}: {cause.fault} ({share(cause.confidence)})"


def summary(answer: Answer) -> str:
    """The answer in one line: the first cause, or that there is none to be sure of."""
    if not answer.causes:
        return f"{NOTHING_STANDS_OUT}, and nothing is suspect"
    first = titled(answer.causes[0])
    return f"{NOTHING_STANDS_OUT}; the most suspect is {first}" if answer.unresolved else first


def clipped(text: str, longest: int = LONGEST) -> str:
    """The text on one line, cut off where it is too long to be read."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def linkable(address: str) -> bool:
    """Whether this is an address that can stand between the marks of a link and does not end them."""
    return address.startswith(("https://", "http://")) and not any(mark in address for mark in "<>|\"'` \\")
