"""Evidence in words. Every sentence about telemetry that a person or a large model reads is written here."""

from typing import assert_never

from service.domain.evidence import Evidence, EvidenceKind


def quantity(value: float, unit: str) -> str:
    """A number with its unit, in three digits and the prefix that a person would choose."""
    match unit:
        case "us":
            return _duration(value / 1e6)
        case "s":
            return _duration(value)
        case "ms":
            return _duration(value / 1e3)
        case "share":
            return f"{value:.0%}" if value >= 0.01 or value == 0 else f"{value:.2%}"
        case "%":
            return f"{value:.3g} %"
        case "bytes" | "B" | "bytes/s" | "B/s":
            return _scaled(value, ("", "k", "M", "G", "T")) + ("B/s" if unit.endswith("/s") else "B")
        case _:
            number = f"{value:.3g}" if abs(value) < 1e4 else f"{value:,.0f}"
            return f"{number} {unit}".rstrip()


def _duration(seconds: float) -> str:
    size = abs(seconds)
    if size >= 1:
        return f"{seconds:.3g} s"
    return f"{seconds * 1e3:.3g} ms" if size >= 1e-3 else f"{seconds * 1e6:.0f} µs"


def _scaled(value: float, prefixes: tuple[str, ...]) -> str:
    for prefix in prefixes[:-1]:
        if abs(value) < 1000:
            return f"{value:.3g} {prefix}"
        value /= 1000
    return f"{value:.3g} {prefixes[-1]}"


def _movement(e: Evidence) -> str:
    now = quantity(e.now, e.unit)
    return now if e.before is None else f"{quantity(e.before, e.unit)} → {now}"


def statement(e: Evidence) -> str:
    """One line that says what moved, from what to what; log lines and names in it are redacted already."""
    given = f" after {e.given}" if e.given else ""
    match e.kind:
        case EvidenceKind.LATENCY:
            return f"{e.subject} takes {_movement(e)}"
        case EvidenceKind.SELF_TIME:
            return f"{e.subject} itself takes {_movement(e)}"
        case EvidenceKind.GAP:
            return f"calls wait {_movement(e)} that the callee does not account for ({e.subject})"
        case EvidenceKind.ERROR_SHARE:
            return f"errors that begin in {e.subject}: {_movement(e)} of its executions"
        case EvidenceKind.LOST_CALL:
            return f"{e.subject}{given}: {_movement(e)} of executions" + ("" if e.rising else ", no longer follows")
        case EvidenceKind.NEW_CALL:
            return f"{e.subject}{given}: {_movement(e)} of executions, newly follows"
        case EvidenceKind.CALLS:
            return f"{e.subject}{given} is called {_movement(e)}"
        case EvidenceKind.TRAFFIC:
            return f"requests to {e.subject}: {_movement(e)}"
        case EvidenceKind.SILENCE:
            return f"{e.subject}: {_movement(e)}"
        case EvidenceKind.METRIC:
            return f"{e.subject} {_movement(e)}"
        case EvidenceKind.LOG_NEW | EvidenceKind.LOG_GONE | EvidenceKind.LOG_MORE | EvidenceKind.LOG_LESS:
            level = f"{e.severity.upper()} " if e.severity else ""
            what = {"log-new": "new", "log-gone": "gone", "log-more": "more", "log-less": "fewer"}[e.kind.value]
            return f"{what} {level}log lines{given}: {_movement(e)} ({e.example})"
        case EvidenceKind.CHANGE:
            return f"{e.subject}: {e.example}"
        case _:
            assert_never(e.kind)
