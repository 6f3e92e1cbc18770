import asyncio
import itertools
from collections.abc import Sequence

import pytest

from service.agent.budget import Budget
from service.agent.localize import Outcome, localize
from service.domain.component import edge, service
from service.domain.evidence import EvidenceKind
from service.domain.fault import Fault
from service.domain.graph import ServiceGraph
from service.domain.localization import ModelIdentity, RankedBy, Stop
from service.domain.move import Investigate, Malformed, PrintResults
from service.domain.transcript import Frame, Step
from service.errors import ModelError
from service.llm.scripted import ScriptedModel, call
from service.ports import ChatReply, ChatRequest
from service.view.view import View
from tests.agent.scene import a_view, finding

CART = call("print_results", causes=[{"component": "c2", "fault": "network-delay", "rows": ["e0"]}])
LOOK = call("search_traces", component="all")
GUILTY = call("report_verdict", guilty=True, fault="network-delay", rows=["e0"])
INNOCENT = call("report_verdict", guilty=False, fault="unknown", rows=[])


def results(component: str, *rows: str) -> ChatReply:
    return call("print_results", causes=[{"component": component, "fault": "cpu", "rows": list(rows)}])


def investigate(*components: str) -> ChatReply:
    return call("investigate", components=list(components))


def played(
    scripts: dict[str, list[ChatReply]], budget: Budget | None = None, view: View | None = None
) -> tuple[Outcome, ScriptedModel]:
    model = ScriptedModel(scripts)
    return asyncio.run(localize(view or a_view(), model, budget or Budget())), model


def observations(outcome: Outcome, frame: int) -> list[str]:
    return [step.observation for step in outcome.transcript.frames[frame].steps]


def test_the_root_looks_and_answers():
    outcome, _ = played({"root": [LOOK, CART]})
    assert outcome.localization.stop is Stop.ANSWERED
    assert outcome.localization.ranked_by is RankedBy.FUSED
    first = outcome.localization.causes[0]
    assert (first.component, first.fault, first.path) == (
        edge("checkout", "cart"),
        Fault.NETWORK_DELAY,
        ("frontend", "checkout", "cart"),
    )
    assert first.reason == "calls to cart wait 300 ms that cart itself does not account for"
    assert outcome.localization.dropped == 0


def test_siblings_advance_together_in_one_batch():
    scripts = {"root": [investigate("c1", "c2"), CART], "c1": [INNOCENT], "c2": [LOOK, GUILTY]}
    outcome, model = played(scripts)
    assert [len(batch) for batch in model.asked] == [1, 2, 1, 1]
    assert [(s.round, s.frame, s.number) for s in outcome.transcript.steps()] == [
        (0, 0, 0),
        (1, 1, 1),
        (1, 2, 2),
        (2, 2, 3),
        (3, 0, 4),
    ]


def test_verdicts_come_back_folded_into_one_observation():
    scripts = {"root": [LOOK, investigate("c1", "c2"), CART], "c1": [INNOCENT], "c2": [LOOK, GUILTY]}
    outcome, _ = played(scripts)
    step = outcome.transcript.frames[0].steps[1]
    assert step.observation == "c1 innocent\nc2 guilty network-delay e0:s7"
    assert step.rows == ("e0",)


def test_a_verdict_does_not_pass_on_rows_that_its_frame_has_not_seen():
    outcome, _ = played({"root": [investigate("c2"), CART], "c2": [GUILTY]})
    assert observations(outcome, 0)[0] == "c2 guilty network-delay"


def test_a_component_is_investigated_once():
    scripts = {
        "root": [investigate("c1", "c2"), investigate("c2", "c2/0"), CART],
        "c1": [investigate("c2"), INNOCENT],
        "c2": [LOOK, LOOK, GUILTY],
    }
    outcome, _ = played(scripts)
    assert len(outcome.transcript.frames) == 3
    assert observations(outcome, 1)[0] == "c2 being investigated"
    assert observations(outcome, 0)[1] == "c2 guilty network-delay e0:s7"


def test_a_cycle_of_calls_does_not_lock_frames():
    graph = ServiceGraph(services=("a", "b"), calls=frozenset({("a", "b"), ("b", "a")}))
    view = a_view([finding(EvidenceKind.LATENCY, service("b"), "op", 9.0)], graph=graph, alerting="a")
    scripts = {
        "root": [investigate("c0"), CART],
        "c0": [investigate("c1"), INNOCENT],
        "c1": [investigate("c0"), GUILTY],
    }
    outcome, _ = played(scripts, view=view)
    assert observations(outcome, 2)[0] == "c0 being investigated"
    assert outcome.localization.causes[0].component == service("b")


def test_a_repeated_call_is_told_so():
    outcome, _ = played({"root": [LOOK, LOOK, CART]})
    assert observations(outcome, 0)[1].startswith("already shown")
    assert outcome.transcript.frames[0].steps[1].rows == ()


def test_an_alias_that_does_not_exist_is_answered_with_what_does():
    scripts = {"root": [call("search_logs", component="c77"), investigate("c9"), CART]}
    outcome, _ = played(scripts)
    assert observations(outcome, 0)[:2] == [
        "c77 unknown: there are c0 to c4 and n0 to n1, or all",
        "c9 unknown: there are c0 to c4 and n0 to n1",
    ]


def test_results_that_name_nothing_are_sent_back_once_and_dropped_at_the_end():
    nobody = results("c9")
    outcome, _ = played({"root": [nobody, nobody]}, Budget(turns=2))
    assert observations(outcome, 0)[0].startswith("c9 unknown")
    assert outcome.localization.dropped == 1
    assert outcome.localization.ranked_by is RankedBy.STATISTICAL
    assert outcome.localization.causes


def test_rows_that_were_never_shown_are_dropped_and_counted():
    made_up = call("print_results", causes=[{"component": "c4", "fault": "cpu", "rows": ["e0", "e77"]}])
    outcome, _ = played({"root": [made_up]})
    assert outcome.localization.dropped == 2


def test_the_last_turn_forces_the_ending_with_the_same_tools_shown():
    outcome, model = played({"root": [LOOK, call("search_logs", component="all"), CART]}, Budget(turns=3))
    requests = [batch[0] for batch in model.asked]
    assert [r.allowed == ("print_results",) for r in requests] == [False, False, True]
    assert all(r.tools == requests[0].tools for r in requests)
    assert outcome.localization.stop is Stop.OUT_OF_TURNS
    assert outcome.transcript.frames[0].steps[-1].forced


def test_a_forced_ending_that_is_none_leaves_a_neutral_verdict_and_the_verdicts_answer():
    scripts = {"root": [LOOK, investigate("c1", "c2")], "c1": [], "c2": [LOOK, GUILTY]}
    outcome, _ = played(scripts, Budget(turns=3))
    frames = outcome.transcript.frames
    assert frames[1].verdict is not None
    assert (frames[1].verdict.guilty, frames[1].verdict.fault) == (False, Fault.UNKNOWN)
    assert isinstance(frames[0].steps[-1].move, Malformed)
    assert outcome.localization.stop is Stop.OUT_OF_TURNS
    assert outcome.localization.causes[0].component == edge("checkout", "cart")
    assert outcome.localization.ranked_by is RankedBy.FUSED


def test_no_frame_opens_below_the_depth_or_beyond_the_number_of_frames():
    scripts = {"root": [investigate("c1", "c2", "c3"), CART], "c1": [investigate("c4"), INNOCENT], "c2": [INNOCENT]}
    outcome, model = played(scripts, Budget(depth=1, frames=3))
    assert len(outcome.transcript.frames) == 3
    assert "c3 not investigated: no frames left" in observations(outcome, 0)[0]
    assert "investigate cannot be called now" in observations(outcome, 1)[0]
    assert "investigate" not in model.asked[1][0].allowed


def test_depth_zero_is_the_linear_plan():
    _, model = played({"root": [LOOK, CART]}, Budget(depth=0))
    assert "investigate" not in model.asked[0][0].allowed


def test_spent_tokens_force_every_open_frame_to_end():
    scripts = {"root": [investigate("c1", "c2")], "c1": [LOOK], "c2": [LOOK]}
    outcome, model = played(scripts, Budget(tokens=1))
    assert outcome.localization.stop is Stop.OUT_OF_TOKENS
    assert [r.allowed for r in model.asked[1]] == [("report_verdict",)] * 2
    assert outcome.localization.causes


class Down:
    """A model server that is gone."""

    identity = ModelIdentity("down")
    rendering = "aliases"

    def __init__(self, answers: int = 0) -> None:
        self.answers = answers

    async def reply(self, requests: Sequence[ChatRequest], timeout_s: float) -> list[ChatReply]:
        if self.answers == 0:
            raise ModelError("gone")
        self.answers -= 1
        return [LOOK for _ in requests]


def test_a_model_that_is_down_leaves_the_statistical_rank():
    outcome = asyncio.run(localize(a_view(), Down(answers=1)))
    assert (outcome.localization.stop, outcome.localization.ranked_by) == (Stop.MODEL_DOWN, RankedBy.STATISTICAL)
    assert outcome.localization.causes[0].component == edge("checkout", "cart")
    assert len(outcome.transcript.frames[0].steps) == 1


class Stranger(Down):
    """A model of a rendering that does not exist, or that answers more or less than it was asked."""

    def __init__(self, rendering: str, replies: int = 0) -> None:
        super().__init__()
        self.rendering = rendering
        self.replies = replies

    async def reply(self, requests: Sequence[ChatRequest], timeout_s: float) -> list[ChatReply]:
        return [LOOK] * self.replies


@pytest.mark.parametrize("model", [Stranger("emoji"), Stranger("aliases", replies=0), Stranger("names", replies=2)])
def test_a_model_that_breaks_its_contract_counts_as_down(model: Stranger):
    outcome = asyncio.run(localize(a_view(), model))
    assert outcome.localization.stop is Stop.MODEL_DOWN
    assert outcome.localization.causes


class Hanging(Down):
    """A model that never answers, whatever it was told of time, and tells when it is called."""

    def __init__(self) -> None:
        super().__init__()
        self.called = asyncio.Event()

    async def reply(self, requests: Sequence[ChatRequest], timeout_s: float) -> list[ChatReply]:
        self.called.set()
        await asyncio.Event().wait()
        raise AssertionError("unreachable")


def test_the_deadline_answers_with_what_is_known():
    ticks = itertools.count()
    budget = Budget(deadline_s=3.5)
    scripts = {"root": [LOOK, investigate("c2"), CART], "c2": [LOOK, GUILTY]}
    outcome = asyncio.run(localize(a_view(), ScriptedModel(scripts), budget, clock=lambda: float(next(ticks))))
    assert outcome.localization.stop is Stop.OUT_OF_TIME
    assert outcome.localization.causes[0].component == edge("checkout", "cart")


def test_a_hanging_model_is_cut_off_at_the_deadline():
    outcome = asyncio.run(localize(a_view(), Hanging(), Budget(deadline_s=0.05)))
    assert outcome.localization.stop is Stop.OUT_OF_TIME
    assert outcome.localization.causes


def test_cancellation_goes_through():
    async def cancelled() -> None:
        model = Hanging()
        task = asyncio.create_task(localize(a_view(), model))
        await model.called.wait()
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())


def test_without_a_model_the_statistical_rank_answers_and_says_so():
    outcome = asyncio.run(localize(a_view(), None))
    assert (outcome.localization.ranked_by, outcome.localization.model) == (RankedBy.STATISTICAL, None)
    assert outcome.localization.stop is Stop.ANSWERED
    assert outcome.transcript.frames == []


def test_each_part_can_be_asked_for():
    wrong = results("c4")
    by_model = asyncio.run(localize(a_view(), ScriptedModel({"root": [wrong]}), rank=RankedBy.MODEL))
    assert [c.component.name for c in by_model.localization.causes] == ["ads"]
    alone = asyncio.run(localize(a_view(), ScriptedModel({"root": [wrong]}), rank=RankedBy.STATISTICAL))
    assert alone.localization.causes[0].component == edge("checkout", "cart")
    assert alone.localization.usage.turns == 0


def test_every_step_is_told_once_in_order():
    told: list[tuple[int, int]] = []

    def tell(frame: Frame, step: Step) -> None:
        told.append((step.number, frame.id))

    scripts = {"root": [investigate("c1", "c2"), CART], "c1": [INNOCENT], "c2": [GUILTY]}
    outcome = asyncio.run(localize(a_view(), ScriptedModel(scripts), on_step=tell))
    assert told == [(s.number, s.frame) for s in outcome.transcript.steps()]
    moves = [s.move for s in outcome.transcript.frames[0].steps]
    assert isinstance(moves[0], Investigate)
    assert isinstance(moves[-1], PrintResults)


@pytest.mark.parametrize("script", [None, {"root": [LOOK]}])
def test_a_view_with_nothing_in_it_is_answered_honestly(script: dict[str, list[ChatReply]] | None):
    model = None if script is None else ScriptedModel(script)
    outcome = asyncio.run(localize(a_view([], graph=ServiceGraph(services=())), model))
    assert outcome.localization.causes == ()
    assert outcome.localization.unresolved
