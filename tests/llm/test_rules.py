import asyncio
import json

from service.agent.localize import localize
from service.domain.component import Component, edge, service
from service.domain.evidence import Evidence, EvidenceKind
from service.domain.fault import Fault
from service.domain.localization import Cause, RankedBy
from service.llm.alias_text import read
from service.llm.rules import RulesModel
from service.ports import ChatRequest, Message
from service.tools.specs import TOOL_NAMES, TOOLS
from tests.agent.scene import a_view, finding, pod


def blamed(*evidence: Evidence) -> Cause:
    """Whom the rules blame, of nothing but the rendered text."""
    outcome = asyncio.run(localize(a_view(evidence), RulesModel(), rank=RankedBy.MODEL))
    return outcome.localization.causes[0]


def latency(name: str, score: float = 20.0) -> Evidence:
    return finding(EvidenceKind.LATENCY, service(name), f"{name} op", score)


def log(name: str, score: float, severity: str = "error") -> Evidence:
    return finding(
        EvidenceKind.LOG_NEW, service(name), f"{name} says", score, now=0.8, before=0.0, unit="share", severity=severity
    )


def cpu(component: Component, score: float = 20.0) -> Evidence:
    return finding(EvidenceKind.METRIC, component, "container_cpu_usage", score, now=0.9, before=0.1, unit="")


def test_a_gap_is_the_network_before_the_callee():
    cause = blamed(finding(EvidenceKind.GAP, edge("checkout", "cart"), "get", 20.0), latency("checkout", 30.0))
    assert (cause.component, cause.fault) == (edge("checkout", "cart"), Fault.NETWORK_DELAY)


def test_cpu_with_slow_code_is_cpu():
    cause = blamed(
        cpu(pod("cart-0")), finding(EvidenceKind.SELF_TIME, service("cart"), "get", 12.0), latency("checkout", 30.0)
    )
    assert (cause.component, cause.fault) == (service("cart"), Fault.CPU)


def test_a_caller_that_waits_on_everybody_is_slow_itself():
    slow = finding(EvidenceKind.SELF_TIME, service("frontend"), "GET /", 20.0)
    gaps = [finding(EvidenceKind.GAP, edge("frontend", callee), "call", 18.0) for callee in ("checkout", "ads")]
    assert blamed(slow, *gaps).component == service("frontend")


def test_new_errors_count_where_they_are_deepest():
    cause = blamed(log("frontend", 12.0), log("checkout", 11.0), log("cart", 10.0))
    assert (cause.component, cause.fault) == (service("cart"), Fault.ERROR)


def test_slowness_of_a_callee_does_not_explain_errors_of_its_caller():
    assert blamed(log("checkout", 12.0), latency("cart", 12.0)).component == service("checkout")


def test_lines_that_are_no_trouble_weigh_less_than_those_that_are():
    assert blamed(log("ads", 20.0, "info"), log("cart", 8.0)).component == service("cart")


def test_what_is_no_conversation_of_ours_is_answered_with_a_move():
    request = ChatRequest((Message("user", "what is up?"),), TOOLS, TOOL_NAMES)
    reply = asyncio.run(RulesModel().reply([request], 1.0))[0]
    assert reply.call_name == "search_traces"


def test_a_forced_ending_is_obeyed():
    for question, ending in (("root c0", "print_results"), ("child c2", "report_verdict")):
        request = ChatRequest((Message("system", ""), Message("user", question)), TOOLS, (ending,))
        reply = asyncio.run(RulesModel().reply([request], 1.0))[0]
        assert reply.call_name == ending
        assert json.loads(reply.call_arguments)


def test_a_rendered_row_is_read_back_as_it_was_written():
    arguments = '{"component": "all"}'
    rows = "traces all\ne3 gap c2>c4/1 s7 u5 t6 p2 i8 k4 o2 @o1 b-3\n+2 more"
    reading = read(
        (
            Message("user", "root c0"),
            Message("assistant", "", call_name="search_traces", call_arguments=arguments),
            Message("tool", rows),
        )
    )
    row = reading.rows["e3"]
    assert (row.kind, row.caller, row.owner) == ("gap", "c2", "c4")
    assert (row.score, row.change, row.duration, row.share, row.impact, row.support) == (7, "u5", 6, 2, 8, 4)
    assert reading.called("search_traces", "all")
