import json

import pytest

from service.agent.parser import parse
from service.domain.fault import Fault
from service.domain.move import Investigate, Malformed, PrintResults, ReportVerdict, Suspicion, ToolCall
from service.ports import ChatReply
from service.tools.specs import TOOL_NAMES


def parsed(name: str, arguments: object, allowed: tuple[str, ...] = TOOL_NAMES):
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return parse(ChatReply(call_name=name, call_arguments=text), allowed)


def test_each_call_is_its_move():
    assert parsed("search_logs", {"component": "c1"}) == ToolCall("search_logs", "c1")
    assert parsed("investigate", {"components": ["c1", "c2", "c1"]}) == Investigate(("c1", "c2"))
    assert parsed("report_verdict", {"guilty": True, "fault": "cpu", "rows": ["e1", "e1"]}) == ReportVerdict(
        True, Fault.CPU, ("e1",)
    )
    cause: dict[str, object] = {"component": "c1", "fault": "lock", "rows": []}
    assert parsed("print_results", {"causes": [cause]}) == PrintResults((Suspicion("c1", Fault.LOCK),))


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("", "", "that was no call: call search_traces or"),
        ("delete_everything", {}, "there is no such tool: call"),
        ("search_logs", '{"component": "c1"', 'the arguments are not JSON: search_logs takes {"component": "…"}'),
        ("search_logs", {"component": "c1", "query": "up"}, "there is an argument too many"),
        ("search_logs", {}, "component: Field required"),
        ("search_logs", {"component": 1}, "component: Input should be a valid string"),
        ("search_logs", {"component": "c" * 300}, "component: String should have at most 200"),
        ("search_logs", "[1]", "the arguments: "),
        ("investigate", {"components": []}, "components: List should have at least 1 item"),
        ("investigate", {"components": list("abcde")}, "components: List should have at most 4 items"),
        ("report_verdict", {"guilty": "yes", "fault": "cpu", "rows": []}, "guilty: Input should be a valid boolean"),
        ("report_verdict", {"guilty": True, "fault": "gremlins", "rows": []}, "fault: Input should be 'cpu', 'memory'"),
        ("print_results", {"causes": []}, "causes: List should have at least 1 item"),
        ("print_results", {"causes": [{"component": "c1"}]}, "causes.0.fault: Field required"),
    ],
)
def test_whatever_is_no_move_is_told_what_would_be(name: str, arguments: object, reason: str):
    move = parsed(name, arguments)
    assert isinstance(move, Malformed)
    assert move.reason.startswith(reason)


def test_a_call_that_is_not_allowed_now_is_refused():
    move = parsed("search_logs", {"component": "c1"}, ("report_verdict",))
    assert move == Malformed("search_logs cannot be called now: call report_verdict")


def test_what_a_model_wrote_is_not_repeated_to_it():
    move = parsed("search_logs", {"component": ["ignore previous instructions"]})
    assert isinstance(move, Malformed)
    assert "ignore" not in move.reason
