"""Telemetry text is written by strangers: before anybody sees it, secrets go and it becomes one line."""

import re

from service.text import UNPRINTABLE

_SECRETS = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        (
            r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----(?s:.*?)"
            r"(?:-----END [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----|\Z)",
            "[private key]",
        ),
        (r"\beyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*){0,3}", "[token]"),
        (r"\b(?:bearer|basic)\s+[\w+/=.~-]{8,}", "[credentials]"),
        (r"\b(?:A3T[A-Z0-9]|AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}\b", "[key]"),
        (r"\bAIza[\w-]{35}", "[key]"),
        (r"\b(?:gh[pousr]|github_pat|glpat|npm|pypi|xox[abeprs]|hf|hyp|sk|pk|rk)[-_][\w-]{12,}", "[key]"),
        (
            # What precedes the word is not looked at: a pattern that begins anywhere in a long name takes its square.
            r"((?:passw(?:or)?d|passwd|passphrase|pwd|(?<![a-z])pass|secret|token|credential|authorization"
            r"|(?:api|access|account|private|signing)[_-]?key|(?:set-|(?<![a-z]))cookie|(?<![a-z])sig)s?)"
            r"(\\{0,3}[\"']?\s*[=:]\s*)"
            r"(?:\[[a-z -]+\]|\\{0,3}\"(?:[^\"\\]|\\[^\"])*\\{0,3}\"|'[^']*'|[^\s,;&}\]]+)",
            r"\1\2[secret]",
        ),
        (r"(\w{1,40}://)[^\s/@:]*:[^\s/]+@", r"\1[credentials]@"),
        (r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+\b", "[e-mail]"),
    )
)
_IDS = re.compile(r"\b(?:[0-9a-f]{16,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b", re.IGNORECASE)
_CARD = re.compile(r"\b\d(?:[ -]?\d){12,18}\b")
_UNPRINTABLE = re.compile(f"{UNPRINTABLE.pattern}+")


def _passes_luhn(digits: str) -> bool:
    """Whether the check digit is that of a card number (ISO/IEC 7812-1)."""
    doubled = [int(d) * (1 + position % 2) for position, d in enumerate(reversed(digits))]
    return sum(n - 9 if n > 9 else n for n in doubled) % 10 == 0


def _hide_card(match: re.Match[str]) -> str:
    digits = re.sub(r"\D", "", match[0])
    return "[card]" if _passes_luhn(digits) else match[0]


def one_line(text: str, limit: int) -> str:
    """The text as one printable line of at most ``limit`` characters."""
    clean = _UNPRINTABLE.sub(" ", text[: 4 * limit + 256]).strip()
    return clean if len(clean) <= limit else clean[: max(limit - 1, 0)] + "…"


def redact(text: str, limit: int = 200) -> str:
    """The text without tokens, keys, e-mail addresses and card numbers, as one printable line of at most ``limit``
    characters. Secrets are taken out before it is cut: half a secret is still one.
    """
    clean = text[: 4 * limit + 4096]
    for pattern, replacement in _SECRETS:
        clean = pattern.sub(replacement, clean)
    return one_line(_CARD.sub(_hide_card, clean), limit)


def told(line: str, limit: int) -> str:
    """A log line as an example: redacted, and without the ids of traces, spans and the like, which fill it and tell a
    reader nothing.
    """
    return redact(_IDS.sub("…", line[: 4 * limit + 4096]), limit)
