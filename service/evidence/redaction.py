"""Telemetry text is written by strangers: before anybody sees it, secrets go and it becomes one line."""

import re

_SECRETS = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        (r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", "[private key]"),
        (r"\beyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)?", "[token]"),
        (r"\b(?:bearer|basic)\s+[\w+/=.~-]{8,}", "[credentials]"),
        (r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b", "[key]"),
        (r"\b(?:gh[pousr]|github_pat|glpat|xox[abprs]|sk|pk|rk)[-_][\w-]{12,}", "[key]"),
        (
            r"\b([\w.-]*(?:passw(?:or)?d|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|authorization"
            r"|credential)s?)"
            r"(\"?\s*[=:]\s*)(?:\"[^\"]*\"|'[^']*'|[^\s,;&}\]]+)",
            r"\1\2[secret]",
        ),
        (r"(\w+://)[^\s/@:]+:[^\s/@]+@", r"\1[credentials]@"),
        (r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b", "[e-mail]"),
    )
)
_IDS = re.compile(r"\b(?:[0-9a-f]{16,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b", re.IGNORECASE)
_CARD = re.compile(r"\b\d(?:[ -]?\d){12,18}\b")
# Control, format and direction-changing characters, line and paragraph separators.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff9-\ufffb]+")


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
