"""Text that strangers wrote, made fit to be shown: no control characters, no invisible ones, one line."""

import re
from typing import Final

_CONTROLS: Final = r"\x00-\x1f\x7f-\x9f"
_SEPARATORS: Final = r"\u2028\u2029"
_FORMATS: Final = (  # Unicode's category Cf: direction, joining, annotations, tags
    r"\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u202a-\u202f\u2060-\u206f\ufeff"
    r"\ufff0-\ufffb\ufffe\uffff\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
)
_INVISIBLE: Final = r"\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0"  # but letters by category
_WITHOUT_MEANING: Final = r"\ud800-\uf8ff\U000e0000-\U0010ffff"  # lone surrogates, private use; tags and selectors

UNPRINTABLE: Final = re.compile(f"[{_CONTROLS}{_SEPARATORS}{_FORMATS}{_INVISIBLE}{_WITHOUT_MEANING}]")
"""A character that no name, line or page needs: it steers a terminal, turns the direction of text, or is invisible."""

REPLACEMENT: Final = "\ufffd"


def printable(text: str) -> str:
    """The text on one line, with every unprintable character replaced. Applied twice, it changes nothing more."""
    if text.isascii() and text.isprintable():  # almost every text, and much faster to check
        return text
    return UNPRINTABLE.sub(REPLACEMENT, text)


def is_printable(text: str) -> bool:
    """Whether the text is one line that a terminal shows as it is, from left to right as far as its letters are."""
    return UNPRINTABLE.search(text) is None
