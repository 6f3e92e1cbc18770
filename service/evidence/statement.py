"""Evidence in words. Every sentence about telemetry that a person or a large model reads is written here."""

from typing import assert_never

from service.domain.evidence import Evidence, EvidenceKind
from service.evidence.redaction import redact

NAME_LENGTH = 120
"""Characters of an operation or series that are shown."""

_BYTES = frozenset({"bytes", "byte", "B", "By"})


def quantity(value: float, unit: str) -> str:
    """A number with its unit, in three digits and the prefix that a person would choose."""
    base, _, per = unit.rpartition("/") if unit.endswith("/s") else (unit, "", "")
    rate = f"/{per}" if per else ""
    match base:
        case "us":
            return _duration(value / 1e6) + rate
        case "s":
            return _duration(value) + rate
        case "ms":
            return _duration(value / 1e3) + rate
        case "share":
            return f"{value:.0%}" if value >= 0.01 or value == 0 else f"{value:.2%}"
        case "%":
            return f"{number(value)}%{rate}"
        case "" | "1":
            return f"{number(value)}{rate}"
        case _ if base in _BYTES:
            return f"{_scaled(value, ('', 'k', 'M', 'G', 'T'))}B{rate}"
        case _:
            return f"{number(value)} {redact(unit, NAME_LENGTH)}"


def number(value: float) -> str:
    """A number in three digits, whole from a thousand on."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e15 else f"{value:.3g}"


def _duration(seconds: float) -> str:
    size = abs(seconds)
    if size >= 1:
        return f"{number(seconds)} s"
    return f"{seconds * 1e3:.3g} ms" if size >= 1e-3 else f"{seconds * 1e6:.0f} µs"


def _scaled(value: float, prefixes: tuple[str, ...]) -> str:
    for prefix in prefixes[:-1]:
        if abs(value) < 1000:
            return f"{value:.3g} {prefix}"
        value /= 1000
    return f"{number(value)} {prefixes[-1]}"


def movement(e: Evidence) -> str:
    """From what to what it moved; a unit that says the same of both stands once."""
    now = quantity(e.now, e.unit)
    if e.before is None:
        return now
    before, unit = quantity(e.before, e.unit), f" {redact(e.unit, NAME_LENGTH)}"
    return f"{before.removesuffix(unit) if now.endswith(unit) and len(unit) > len(' ms') else before} → {now}"


def named(text: str) -> str:
    """The name of an operation or series as it may be shown: it too is written by strangers, and may hold secrets."""
    return redact(text, NAME_LENGTH)


def relative(seconds: float) -> str:
    """A moment as it stands to the alert: ``4 min before the alert``."""
    if abs(seconds) < 1:
        return "with the alert"
    size = f"{abs(seconds):.0f} s" if abs(seconds) < 100 else f"{abs(seconds) / 60:.0f} min"
    return f"{size} {'before' if seconds < 0 else 'after'} the alert"


def statement(e: Evidence) -> str:
    """One line that says what moved, from what to what. Names and log lines in it are redacted and cut."""
    subject = named(e.subject)
    given = named(e.given)
    match e.kind:
        case EvidenceKind.LATENCY:
            return f"{subject} takes {movement(e)}"
        case EvidenceKind.SELF_TIME:
            return f"{subject} itself takes {movement(e)}{_beside(e)}"
        case EvidenceKind.GAP:
            return f"calls wait {movement(e)} that the callee does not account for ({subject}){_beside(e)}"
        case EvidenceKind.ERROR_SHARE:
            return f"errors that begin in {subject}: {movement(e)} of its executions{_beside(e)}"
        case EvidenceKind.LOST_CALL if not e.given:
            return f"{subject}: {movement(e)} of calls"
        case EvidenceKind.LOST_CALL | EvidenceKind.NEW_CALL:
            return f"{given} is followed by {subject} in {movement(e)} of executions"
        case EvidenceKind.CALLS:
            return f"{given} calls {subject} {movement(e)}"
        case EvidenceKind.TRAFFIC | EvidenceKind.SILENCE:
            return f"{subject}: {movement(e)}"
        case EvidenceKind.METRIC:
            return f"{subject} {movement(e)}{_beside(e)}"
        case EvidenceKind.LOG_NEW | EvidenceKind.LOG_GONE | EvidenceKind.LOG_MORE | EvidenceKind.LOG_LESS:
            return f'{log_lines(e)}: {movement(e)} of {"executions" if e.given else "its lines"}, "{e.example}"'
        case EvidenceKind.CHANGE:
            when = "" if e.began_s is None else f", {relative(e.began_s)}"
            return f"{subject}: {e.example}{when}"
        case _:
            assert_never(e.kind)


def _beside(e: Evidence) -> str:
    """What else than the past it was compared with."""
    return f", beside {named(e.given)}" if e.given else ""


def log_lines(e: Evidence) -> str:
    """Which log lines a row about a template speaks of, and after which operation."""
    what = {EvidenceKind.LOG_NEW: "new", EvidenceKind.LOG_GONE: "no more", EvidenceKind.LOG_MORE: "more"}
    level = f"{e.severity.upper()} " if e.severity else ""
    return f"{what.get(e.kind, 'fewer')} {level}log lines" + (f" after {named(e.given)}" if e.given else "")
