"""Reading the "aliases" rendering back: what a model of that rendering can know of an incident, and nothing else."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import cast

from service.ports import Message

_ROW = re.compile(r"e\d+ ")
_SECTIONS = ("callees", "callers", "hosts", "hosted")
_OWN = "own"
_VERDICT = re.compile(r"([cn]\d+) (?:(innocent)|guilty (\S+)((?: e\d+:s\d)*))$")
_POD = re.compile(r"/\d+$")
_DIGITS = re.compile(r"([stpki])(\d)")
_CHANGE = re.compile(r"[ud]\d|new|gone|flat|\?")
_CLASSES = frozenset(["cpu", "memory", "disk", "network", "latency", "error", "traffic", "restart", "pool", "other"])


@dataclass(frozen=True, slots=True)
class Row:
    """One row of evidence as its words tell it; digits as in the text, -1 where the row has none."""

    id: str
    kind: str
    owner: str  # whom it is about: of c2>c4 that is c4, of c4/1 that is c4
    caller: str = ""  # of a row about calls
    score: int = 0
    change: str = "?"
    duration: int = -1
    share: int = -1
    impact: int = -1
    support: int = 0
    metric_class: str = ""
    severity: str = ""
    inverse: bool = False
    outgoing: bool = False

    @property
    def rising(self) -> bool:
        """Whether it went up, or was not there before."""
        return self.change[0] in "u?" or self.change == "new"


@dataclass(frozen=True, slots=True)
class ChildVerdict:
    """What a child frame said."""

    component: str
    guilty: bool
    fault: str = "unknown"
    rows: tuple[str, ...] = ()


@dataclass(slots=True)
class Reading:
    """A frame's conversation, understood: who asks about what, what was called, what came back."""

    root: bool
    component: str
    calls: list[tuple[str, tuple[str, ...]]] = field(default_factory=list[tuple[str, tuple[str, ...]]])
    rows: dict[str, Row] = field(default_factory=dict[str, Row])
    sections: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    verdicts: dict[str, ChildVerdict] = field(default_factory=dict[str, ChildVerdict])

    def called(self, tool: str, *targets: str) -> bool:
        """Whether this very call was made."""
        return (tool, targets) in self.calls

    def about(self, component: str) -> list[Row]:
        """Rows about a component, or about the calls that it makes."""
        return [r for r in self.rows.values() if component in (r.owner, r.caller)]

    def calls_seen(self, component: str) -> set[str]:
        """Components that this one calls, as far as rows about calls tell."""
        return {r.owner for r in self.rows.values() if r.caller == component}

    def callees(self) -> set[str]:
        """Components that this frame's component calls, as far as their rows were shown."""
        return {self.rows[i].owner for i in self.sections.get("callees", ())} - {self.component}


def read(messages: Iterable[Message]) -> Reading:
    """Understand a conversation of the aliases rendering; what is not understood is left out."""
    said = list(messages)
    question = next((m.content for m in said if m.role == "user"), "")
    who, _, component = question.partition("\n")[0].partition(" ")
    reading = Reading(who != "child", component)
    for call, answer in pairwise(said):
        if call.call_name and call.role == "assistant":
            reading.calls.append((call.call_name, _targets(call.call_arguments)))
            _read_answer(reading, answer.content)
    return reading


def _targets(arguments: str) -> tuple[str, ...]:
    try:
        said = cast(dict[str, str | list[str]], json.loads(arguments))
    except ValueError:
        return ()
    return tuple(v for value in said.values() for v in ([value] if isinstance(value, str) else value))


def _read_answer(reading: Reading, text: str) -> None:
    section = _OWN
    for line in text.splitlines():
        if line in _SECTIONS:
            section = line
        elif _ROW.match(line):
            row = _row(line)
            reading.rows[row.id] = row
            reading.sections.setdefault(section, set()).add(row.id)
        elif told := _VERDICT.match(line):
            rows = tuple(word.partition(":")[0] for word in (told[4] or "").split())
            reading.verdicts[told[1]] = ChildVerdict(told[1], told[2] is None, told[3] or "unknown", rows)


def _row(line: str) -> Row:
    id_, kind, component, *words = line.split()
    caller, _, callee = component.rpartition(">")
    digits = {m[1]: int(m[2]) for w in words if (m := _DIGITS.fullmatch(w))}
    return Row(
        id=id_,
        kind=kind,
        owner=_POD.sub("", callee),
        caller=caller,
        score=digits.get("s", 0),
        change=next((w for w in words if _CHANGE.fullmatch(w)), "?"),
        duration=digits.get("t", -1),
        share=digits.get("p", -1),
        impact=digits.get("i", -1),
        support=digits.get("k", 0),
        metric_class=next((w for w in words if w in _CLASSES), ""),
        severity=next((w for w in words if w in ("ERROR", "WARN", "INFO", "DEBUG")), ""),
        inverse="inverse" in words,
        outgoing="outgoing" in words,
    )
