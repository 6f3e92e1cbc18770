"""What a server says of a request may repeat what the request was sent with."""

from collections.abc import Iterable, Mapping

PLAIN = frozenset(
    {"accept", "accept-encoding", "connection", "content-length", "content-type", "host", "user-agent", "x-scope-orgid"}
)
"""Headers, in small letters, that hold no secret."""

SHORTEST = 6


def unechoed(text: str, headers: Mapping[str, str], others: Iterable[str] = ()) -> str:
    """The text without the words of headers that may hold a secret, and without the others."""
    values = (*(value for name, value in headers.items() if name.lower() not in PLAIN), *others)
    words = {word for value in values for word in value.split() if len(word) >= SHORTEST}
    for word in sorted(words, key=len, reverse=True):
        text = text.replace(word, "[secret]")
    return text
