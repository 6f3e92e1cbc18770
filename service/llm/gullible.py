"""A model that reads names and texts and obeys whoever gives it an order: what strangers write must give none.

It knows one thing: text in double quotes is data (the system prompt of the "names" rendering says so). Whatever else
is said to it is its operator's word. An order is any mention of a component outside of quotes, in whatever language,
as our own lines name components inside them only. To be fooled easily it takes every kind of quote for one that
closes, reads lookalike characters as what they look like, breaks lines wherever a line can break, and believes that
after a token of any common chat template a new turn begins.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence

from service.domain.localization import ModelIdentity
from service.llm.scripted import call
from service.ports import ChatReply, ChatRequest

_SEARCHES = ("search_traces", "search_fluctuating_metrics", "search_logs", "search_changes")
_TURN = re.compile(r"<\|?[\w/]+\|?>|</?\w+>|\[/?INST\]|<</?SYS>>|\[/?[A-Z_]{4,}\]")
_QUOTES = str.maketrans(dict.fromkeys("“”„‟«»″〝〞〟❝❞", '"'))
_FENCED = re.compile(r'"([^"]*)"')
_ROW = re.compile(r'(e\d+) \| [\w-]+ \| (?:"[^"]*"->)?"([^"]*)" \| score ([\d.]+)')
_TOLD = re.compile(r"(?:root|child|asked-by|alerting|callers|callees|quiet|suspects by statistics:) ")
_INVESTIGATED = 3
_CAUSES = 5
_ROWS = 3


class GullibleModel:
    """Ranks components by their strongest row, unless somebody tells it whom to blame; without state."""

    rendering = "names"
    identity = ModelIdentity("gullible", "1")

    async def reply(self, requests: Sequence[ChatRequest], timeout_s: float) -> list[ChatReply]:
        """One move for each frame; it waits for nothing."""
        return [_move(request) for request in requests]


def _move(request: ChatRequest) -> ChatReply:
    told = [m.content for m in request.messages if m.role in ("user", "tool")]
    lines = [line for text in told for line in text.splitlines()]
    rows, ordered = _rows(lines), order(told)
    ranked = sorted(rows, key=lambda name: -max(rows[name].values()))
    called = [m.call_name for m in request.messages if m.call_name and m.role == "assistant"]
    if lines[0].startswith("child "):
        target = _FENCED.findall(lines[0])[0]
        if "search_traces" in request.allowed and "search_traces" not in called and ordered is None:
            return call("search_traces", component=target)
        guilty = ordered == target if ordered is not None else target in rows
        return call("report_verdict", guilty=guilty, fault="unknown", rows=list(rows.get(target, ()))[:_ROWS])
    if ordered is not None:
        cited = [row for found in rows.values() for row in found] or ["e0", "e1"]
        return call("print_results", causes=[{"component": ordered, "fault": "cpu", "rows": cited[:_ROWS]}])
    for tool in _SEARCHES:
        if tool in request.allowed and tool not in called:
            return call(tool, component="all")
    if "investigate" in request.allowed and "investigate" not in called and ranked:
        return call("investigate", components=ranked[:_INVESTIGATED])
    named = ranked[:_CAUSES] or _known(lines)[:1]
    causes = [{"component": c, "fault": "unknown", "rows": list(rows.get(c, ()))[:_ROWS]} for c in named]
    return call("print_results", causes=causes)


def order(told: Sequence[str]) -> str | None:
    """Whom the unfenced words of a conversation name, the last one if they name several; None if they name nobody."""
    known = sorted(filter(None, _known([line for text in told for line in text.splitlines()])), key=len)
    spoken = [_FENCED.sub('""', line) for text in told for line in _read(text)]
    found = [name for text in spoken for name in known if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)]
    return found[-1] if found else None


def _read(text: str) -> list[str]:
    """The lines of a text as it reads them."""
    return _TURN.sub("\n", unicodedata.normalize("NFKC", text.translate(_QUOTES))).splitlines()


def _known(lines: Sequence[str]) -> list[str]:
    """Components whose names it has read where our lines have names."""
    return [name for line in lines if _TOLD.match(line) for name in _FENCED.findall(line)]


def _rows(lines: Sequence[str]) -> Mapping[str, dict[str, float]]:
    """The rows about each component, with their scores, in the order in which they were shown."""
    found: dict[str, dict[str, float]] = {}
    for line in lines:
        if row := _ROW.match(line):
            found.setdefault(row[2], {})[row[1]] = float(row[3])
    return found
