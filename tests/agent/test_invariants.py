"""What holds whatever a model does."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.agent.budget import Budget
from service.agent.localize import Outcome, localize
from service.agent.renderer import messages
from service.agent.transcript_json import from_dict, to_dict
from service.domain.component import Component, ComponentKind
from service.domain.evidence import EvidenceKind
from service.domain.fault import Fault
from service.domain.localization import ModelIdentity, RankedBy
from service.domain.transcript import Transcript
from service.llm.rules import RulesModel
from service.ports import ChatModel, ChatReply, ChatRequest
from service.tools.specs import TOOL_NAMES
from service.view.view import View
from tests.agent.scene import NODES, SERVICES, a_view, finding, renamed, slow_network_to_cart
from tests.conftest import CaseFactory
from tests.patience import open_patiently

if TYPE_CHECKING:
    from model_store.simulate.generate import SyntheticCase

WORDS = st.sampled_from(["c0", "c1", "c2", "c9", "n0", "c1>c2", "c2/0", "all", "", "cart"]) | st.text(max_size=5)
ROWS = st.lists(st.sampled_from(["e0", "e1", "e4", "e99"]) | st.text(max_size=4), max_size=7)
FAULTS = st.sampled_from([*map(str, Fault), "gremlins"])
ARGUMENTS = st.one_of(
    st.fixed_dictionaries({"component": WORDS}),
    st.fixed_dictionaries({"components": st.lists(WORDS, max_size=5)}),
    st.fixed_dictionaries({"guilty": st.booleans(), "fault": FAULTS, "rows": ROWS}),
    st.fixed_dictionaries(
        {
            "causes": st.lists(
                st.fixed_dictionaries({"component": WORDS, "fault": FAULTS, "rows": ROWS}), min_size=1, max_size=4
            )
        }
    ),
).map(json.dumps)
GARBAGE = st.one_of(st.text(max_size=30), st.sampled_from(['{"component":', "[" * 5000, "null", "{}", "\ud800"]))
REPLIES = st.one_of(
    st.builds(ChatReply, call_name=st.sampled_from(TOOL_NAMES), call_arguments=ARGUMENTS),
    st.builds(ChatReply, call_name=st.sampled_from([*TOOL_NAMES, "rm", ""]), call_arguments=GARBAGE, text=GARBAGE),
)


class Babbler:
    """A model that says whatever it is given, in turn, for ever."""

    identity = ModelIdentity("babbler")

    def __init__(self, replies: Sequence[ChatReply], rendering: str) -> None:
        self.replies = replies
        self.rendering = rendering
        self.said = 0
        self.seen: list[ChatRequest] = []

    async def reply(self, requests: Sequence[ChatRequest], timeout_s: float) -> list[ChatReply]:
        self.seen += requests
        return [self._next() for _ in requests]

    def _next(self) -> ChatReply:
        self.said += 1
        return self.replies[self.said % len(self.replies)]


@settings(max_examples=200, deadline=None)
@given(replies=st.lists(REPLIES, min_size=1, max_size=12), rendering=st.sampled_from(["aliases", "names"]))
def test_whatever_a_model_says_the_localization_ends_within_its_budget_with_a_ranking(
    replies: list[ChatReply], rendering: str
):
    budget = Budget(depth=2, frames=6, turns=4)
    model = Babbler(replies, rendering)
    view = a_view()
    outcome = asyncio.run(localize(view, model, budget))
    frames = outcome.transcript.frames
    assert len(frames) <= budget.frames
    assert all(f.depth <= budget.depth and len(f.steps) <= budget.turns for f in frames)
    assert [s.number for s in outcome.transcript.steps()] == list(range(model.said))
    assert outcome.localization.causes
    assert all(0 <= cause.confidence <= 0.99 for cause in outcome.localization.causes)
    assert all(view.graph.knows(cause.component) for cause in outcome.localization.causes)
    assert all(view.row(e.id) is e for cause in outcome.localization.causes for e in cause.evidence)
    assert len({f.component for f in frames[1:]}) == len(frames[1:])
    assert all(f.verdict is not None for f in frames[1:])


@settings(max_examples=100, deadline=None)
@given(replies=st.lists(REPLIES, min_size=1, max_size=12), rendering=st.sampled_from(["aliases", "names"]))
def test_every_request_of_a_frame_extends_the_one_before(replies: list[ChatReply], rendering: str):
    model = Babbler(replies, rendering)
    asyncio.run(localize(a_view(), model, Budget(depth=2, frames=6, turns=5)))
    latest: dict[str, ChatRequest] = {}
    for request in model.seen:
        question = request.messages[1].content
        earlier = latest.get(question)
        if earlier is not None:
            assert request.messages[: len(earlier.messages)] == earlier.messages
            assert request.tools == earlier.tools
        latest[question] = request


@settings(max_examples=50, deadline=None)
@given(replies=st.lists(REPLIES, min_size=1, max_size=12))
def test_a_transcript_survives_being_saved(replies: list[ChatReply]):
    outcome = asyncio.run(localize(a_view(), Babbler(replies, "names"), Budget(turns=4)))
    again = from_dict(json.loads(json.dumps(to_dict(outcome.transcript))))
    assert again == outcome.transcript
    assert [messages(f, "names") for f in again.frames] == [messages(f, "names") for f in outcome.transcript.frames]


def run(view: View, model: ChatModel) -> Outcome:
    return asyncio.run(localize(view, model))


def test_the_same_case_gives_the_same_transcript():
    assert run(a_view(), RulesModel()).transcript == run(a_view(), RulesModel()).transcript


def node(name: str) -> Component:
    return Component(ComponentKind.NODE, name)


def anonymous(transcript: Transcript) -> dict[str, object]:
    nobody = Component(ComponentKind.SERVICE, "")
    for frame in transcript.frames:
        frame.component = nobody
        frame.verdict = None
        frame.steps = [replace(step, about=()) for step in frame.steps]
    return to_dict(transcript)


@given(st.permutations(["frontend", "checkout", "cart", "cart-db", "zebra", "host-a", "host-b"]))
def test_names_of_components_change_nothing_that_a_small_model_sees(names: list[str]):
    view = a_view([*slow_network_to_cart(), *(finding(EvidenceKind.METRIC, node(n), "node_load1", 5.0) for n in NODES)])
    other = renamed(view, dict(zip((*SERVICES, *NODES), names, strict=True)))
    ours, theirs = run(view, RulesModel()).transcript, run(other, RulesModel()).transcript
    assert [messages(f, "aliases") for f in ours.frames] == [messages(f, "aliases") for f in theirs.frames]
    assert anonymous(ours) == anonymous(theirs)


@pytest.mark.parametrize(
    ("fault", "seed"), [(Fault.NETWORK_DELAY, 1), (Fault.CPU, 2), (Fault.ERROR, 3), (Fault.SLOW, 4)]
)
def test_simulated_incidents_are_localized_by_what_the_text_says(synthetic_case: CaseFactory, fault: Fault, seed: int):
    case = synthetic_case(seed, fault=fault)
    view = open_patiently(case.incident, case.telemetry)
    outcome = asyncio.run(localize(view, RulesModel(), rank=RankedBy.MODEL))
    assert any(is_true(case, view, c.component) for c in outcome.localization.causes[:3])


def is_true(case: "SyntheticCase", view: View, component: Component) -> bool:
    causes = cast("list[dict[str, str]]", case.truth["causes"])
    owners = {view.graph.owner(Component(ComponentKind(c["kind"]), c["name"])) for c in causes}
    return component in owners
