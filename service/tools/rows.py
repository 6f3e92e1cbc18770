"""One row of evidence in the words of either rendering. Both begin with the evidence's id, by which it is cited."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from service.domain.evidence import Evidence, Signal
from service.evidence.metric_class import about_callees, about_host, good_when_high, metric_class
from service.evidence.statement import statement
from service.tools import buckets
from service.tools.naming import Naming
from service.tools.quoting import plain, quoted

Row = Callable[[Evidence], str]

_LETTER = {Signal.TRACES: "o", Signal.LOGS: "l"}  # of an operation and a log template; a metric is its class


_MARKS: Mapping[str, Callable[[str], bool]] = {
    "host": about_host,
    "outgoing": about_callees,
    "inverse": good_when_high,
}


def alias_rows(evidence: Sequence[Evidence], naming: Naming) -> Row:
    """Rows for a small model: codes, buckets and aliases only; nothing that a stranger wrote is in them.

    An example: ``e3 gap c2>c4 s7 u5 t6 k4 o2 @o1``: evidence e3, the gap on the calls from c2 to c4, strength 7 of 9,
    up 2½ doublings, by some 100 ms, seen some 100 times, on operation o2, given operation o1.
    """
    return AliasRows(naming, _numbered(evidence)).row


def named_rows(naming: Naming) -> Row:
    """Rows for a large model: names, human units, redacted text fenced in double quotes."""
    return NamedRows(naming).row


def _numbered(evidence: Sequence[Evidence]) -> Mapping[tuple[str, str], str]:
    """Operations and log templates numbered by where they first stand in the evidence, never by their text."""
    numbers: dict[tuple[str, str], str] = {}
    counts: dict[str, int] = {}
    mentions = ((_LETTER[e.signal], e.subject) for e in evidence if e.signal in _LETTER)
    conditions = (("o", e.given) for e in evidence if e.given)
    for letter, text in (*mentions, *conditions):
        if (letter, text) not in numbers:
            numbers[letter, text] = f"{letter}{counts.setdefault(letter, 0)}"
            counts[letter] += 1
    return numbers


@dataclass(frozen=True, slots=True)
class AliasRows:
    """Evidence in codes; ``numbers`` are those of operations and log templates."""

    naming: Naming
    numbers: Mapping[tuple[str, str], str]

    def row(self, e: Evidence) -> str:
        """The evidence as a row of codes."""
        words = [e.id, e.kind.value, self.naming.of(e.component), buckets.score(e), buckets.change(e)]
        words += [buckets.size(e), buckets.impact(e), buckets.support(e), self.subject(e), e.severity[:5].upper()]
        words += [f"@{self.numbers['o', e.given]}" if ("o", e.given) in self.numbers else "", buckets.began(e)]
        return " ".join(word for word in words if word)

    def subject(self, e: Evidence) -> str:
        """The operation's or template's number; of a metric, its class and what one must know to read its direction."""
        if e.signal is Signal.METRICS:
            marks = [word for word, holds in _MARKS.items() if holds(e.subject)]
            return " ".join(w for w in (metric_class(e.subject, e.unit), *marks) if w)
        return self.numbers.get((_LETTER.get(e.signal, ""), e.subject), "")


@dataclass(frozen=True, slots=True)
class NamedRows:
    """Evidence in sentences."""

    naming: Naming

    def row(self, e: Evidence) -> str:
        """The evidence as a line for a reader."""
        columns = [e.id, e.kind.value, self.naming.of(e.component), f"score {e.score:.1f}", quoted(statement(e))]
        if e.severity:
            columns.append(plain(e.severity, 12))
        return " | ".join(columns)
