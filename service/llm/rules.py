"""A rule-based policy behind the port of a chat model. It moves only by what the rendered text says, so it shows that
the text carries the evidence; it drives the loop where no trained model is there, and is a row in every table.
"""

import json
from collections.abc import Sequence

from service.domain.fault import Fault
from service.domain.localization import ModelIdentity
from service.llm.alias_text import Reading, read
from service.llm.faults import fault, proof
from service.llm.weighing import EXPLAINING, Symptoms, symptoms, total
from service.ports import ChatReply, ChatRequest

_SEARCHES = ("search_traces", "search_fluctuating_metrics", "search_logs", "search_changes")
_EVERYWHERE = "all"
_STRANGER = "x"  # whoever evidence names and the graph does not know: nobody that could be answered
_INVESTIGATED = 4
_CAUSES = 5
# How much of a caller's symptoms its worst callee's explain.
_EXPLAINED = 0.5
# What must be left against a component for it to be guilty at all.
_OWN_TROUBLE = 0.1
# What a child's close look is worth in the root's order, which knows only the worst rows.
_GUILTY = 1.3
_INNOCENT = 0.5


class RulesModel:
    """The rule-based policy; without state, so the same conversation gives the same move."""

    rendering = "aliases"
    identity = ModelIdentity("rules", "1")

    async def reply(self, requests: Sequence[ChatRequest], timeout_s: float) -> list[ChatReply]:
        """One move for each frame; it waits for nothing."""
        return [_move(request) for request in requests]


def _move(request: ChatRequest) -> ChatReply:
    reading = read(request.messages)
    targets = (_EVERYWHERE,) if reading.root else (reading.component,)
    for tool in _SEARCHES:
        if tool in request.allowed and not reading.called(tool, *targets):
            return _call(tool, component=targets[0])
    if reading.root:
        return _root_move(reading, request.allowed)
    return _verdict(reading)


def _call(tool: str, **arguments: object) -> ChatReply:
    return ChatReply(call_name=tool, call_arguments=json.dumps(arguments))


def _root_move(reading: Reading, allowed: Sequence[str]) -> ChatReply:
    ranked = _ranked(reading)
    investigated = any(tool == "investigate" for tool, _ in reading.calls)
    if "investigate" in allowed and ranked and not investigated:
        return _call("investigate", components=ranked[:_INVESTIGATED])
    return _call("print_results", causes=[_cause(reading, c) for c in (ranked or [reading.component])[:_CAUSES]])


def _ranked(reading: Reading) -> list[str]:
    """Components by suspicion, with what their investigations found."""
    found = symptoms(reading.rows.values())
    suspicion = {c: _left(found, c, reading.calls_seen(c)) for c in found}
    for component, verdict in reading.verdicts.items():
        factor = _GUILTY if verdict.guilty else _INNOCENT
        suspicion[component] = suspicion.get(component, 0.0) * factor
    known = [c for c in suspicion if c != _STRANGER]
    return sorted(known, key=lambda c: (-suspicion[c], c[0], int(c[1:])))


def _left(found: dict[str, Symptoms], component: str, callees: set[str]) -> float:
    """What speaks against a component, less what its worst callee explains."""
    against = found.get(component, {})
    explained = (min(total(against, caused), _below(found, callees, cause)) for caused, cause in EXPLAINING.items())
    return total(against) - _EXPLAINED * sum(explained)


def _below(found: dict[str, Symptoms], callees: set[str], cause: frozenset[str]) -> float:
    """How much of what could explain it the worst callee shows."""
    return max((total(found[c], cause) for c in callees if c in found), default=0.0)


def _cause(reading: Reading, component: str) -> dict[str, object]:
    verdict = reading.verdicts.get(component)
    if verdict is not None and verdict.guilty:
        return {"component": component, "fault": verdict.fault, "rows": list(verdict.rows)}
    rows = proof(reading.about(component))
    return {"component": component, "fault": fault(rows), "rows": [r.id for r in rows]}


def _verdict(reading: Reading) -> ChatReply:
    """Guilty is who has more left against it than any callee shows of what could have caused it."""
    found, callees = symptoms(reading.rows.values()), reading.callees()
    against = found.get(reading.component, {})
    possible = [cause for caused, cause in EXPLAINING.items() if total(against, caused) > 0]
    below = max((_below(found, callees, cause) for cause in possible), default=0.0)
    rows = proof(reading.about(reading.component))
    guilty = _left(found, reading.component, callees) >= max(_OWN_TROUBLE, below)
    named = fault(rows) if guilty else Fault.UNKNOWN
    return _call("report_verdict", guilty=guilty, fault=named, rows=[r.id for r in rows])
