"""A rule-based policy behind the port of a chat model. It moves only by what the rendered text says, so it shows that
the text carries the evidence; it drives the loop where no trained model is there, and is a row in every table.
"""

import json
from collections.abc import Sequence

from service.domain.localization import ModelIdentity
from service.llm.alias_text import Reading, Row, read
from service.llm.weighing import fault, proof, weigh, weight
from service.ports import ChatReply, ChatRequest

_SEARCHES = ("search_traces", "search_fluctuating_metrics", "search_logs", "search_changes")
_EVERYWHERE = "all"
_INVESTIGATED = 4
_CAUSES = 5
# A callee explains its caller's trouble if at least this part of the caller's own suspicion falls on it.
_EXPLAINS = 1.2
# Suspicion below which a component has nothing of its own.
_OWN_TROUBLE = 1.0
# What a child's look at everything is worth in the root's order, which knows only the worst rows.
_GUILTY = 1.5
_INNOCENT = 0.6


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
    suspicion = weigh(reading.rows.values())
    for component, verdict in reading.verdicts.items():
        factor = _GUILTY if verdict.guilty else _INNOCENT
        suspicion[component] = suspicion.get(component, 0.0) * factor
    known = [c for c in suspicion if c != "x"]
    return sorted(known, key=lambda c: (-suspicion[c], c[0], int(c[1:])))


def _cause(reading: Reading, component: str) -> dict[str, object]:
    verdict = reading.verdicts.get(component)
    if verdict is not None and verdict.guilty:
        return {"component": component, "fault": verdict.fault, "rows": list(verdict.rows)}
    rows = proof(reading.of(component))
    return {"component": component, "fault": fault(rows), "rows": [r.id for r in rows]}


def _verdict(reading: Reading) -> ChatReply:
    suspicion = weigh(reading.rows.values())
    own = suspicion.get(reading.component, 0.0)
    below = max((suspicion[c] for c in reading.callees() if c in suspicion), default=0.0)
    rows = proof(_counting(reading.of(reading.component)))
    guilty = own >= _OWN_TROUBLE and below < _EXPLAINS * own
    return _call("report_verdict", guilty=guilty, fault=fault(rows) if guilty else "unknown", rows=[r.id for r in rows])


def _counting(rows: Sequence[Row]) -> list[Row]:
    return [r for r in rows if weight(r) > 0]
