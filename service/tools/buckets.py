"""Numbers as a small model reads them: a letter for what it measures, a digit for how much, on a logarithmic scale."""

import math

from service.domain.evidence import Evidence, Signal

_TOP = 9


def _digit(value: float) -> int:
    return max(0, min(_TOP, round(value)))


def score(e: Evidence) -> str:
    """Strength, s0 to s9: 0, 0.6, 1.7, 3.4, 6, 11, 18, 31, 52, 86 robust standard deviations."""
    return f"s{_digit(1.4 * math.log2(1 + max(e.score, 0.0)))}"


def suspicion(value: float) -> str:
    """What the statistical rank holds against a component, s0 to s9: 0.4 of a doubling of 1 + it a digit."""
    return f"s{_digit(4 * math.log2(1 + max(value, 0.0)))}"


def change(e: Evidence) -> str:
    """Direction and ratio: u4 is four times more, d4 a quarter (half a doubling a digit), new, gone, flat, ?."""
    if e.before is None:
        return "?"
    if not e.before:
        return "new" if e.now > 0 else "flat"
    if e.now <= 0:
        return "gone"
    doublings = math.log2(e.now / e.before) if e.before > 0 else 0.0
    return "flat" if round(2 * abs(doublings)) == 0 else f"{'u' if doublings > 0 else 'd'}{_digit(2 * abs(doublings))}"


def size(e: Evidence) -> str:
    """How much it changed in absolute terms: t0 to t9 from 0.1 ms to 3 s and more, half a decade a digit; p0 to p9 of a
    share in tenths; "" where the unit says neither.
    """
    moved = abs(e.now - (e.before or 0.0))
    if e.unit == "share":
        return f"p{min(_TOP, int(10 * min(moved, 1.0)))}"
    return f"t{_digit(2 * (math.log10(moved) - 2)) if moved > 1 else 0}" if e.unit == "us" else ""


def support(e: Evidence) -> str:
    """How many observations stand behind it, now: k0 to k9, half a decade a digit."""
    return f"k{_digit(2 * math.log10(1 + max(e.n_now, 0)))}"


def impact(e: Evidence) -> str:
    """How much of what users ask for it concerns, i0 to i9, a third of a decade a digit: 0.1 % or less to all of it.

    Of a series, its change against what is usual for such series elsewhere: i5 is as much, i8 ten times.
    """
    if e.impact is None:
        return ""
    usual = 5 if e.signal is Signal.METRICS else _TOP
    return f"i{_digit(usual + 3 * math.log10(e.impact)) if e.impact > 0 else 0}"


def began(e: Evidence) -> str:
    """When it began against the alert: b-1 to b-9 before, b0 with it, b1 to b9 after (30 s, 1.5, 3.5, 7.5 min, …)."""
    if e.began_s is None:
        return ""
    digit = _digit(math.log2(1 + abs(e.began_s) / 30))
    return f"b{-digit if e.began_s < 0 else digit}"
