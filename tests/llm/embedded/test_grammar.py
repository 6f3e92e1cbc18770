import json
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.agent.budget import Budget
from service.agent.parser import parse
from service.domain.fault import Fault
from service.domain.move import Investigate, Malformed, PrintResults, ReportVerdict, ToolCall
from service.llm.embedded import pieces
from service.llm.embedded.chat import call_text
from service.llm.embedded.grammar import LONGEST, Grammar, State
from service.tools import specs
from tests.llm.embedded.talk import COMPONENTS, QUESTION, ROWS, Aimless, as_reply, vocabulary

GRAMMAR = Grammar(vocabulary())
TOOLS = st.lists(st.sampled_from(specs.TOOL_NAMES), min_size=1, unique=True)
SHOWN = st.lists(st.sampled_from([*COMPONENTS, *ROWS]), unique=True)
SEEDS = st.integers(0, 2**32)


def start(*allowed: str, shown: str = QUESTION) -> State:
    return GRAMMAR.start(allowed, vocabulary().encode(shown))


def tokens(state: State) -> set[str]:
    return {vocabulary().decode([int(i)]) for i in state.allowed()}


def after(state: State, *written: str) -> State:
    for token in written:
        state = state.advance(vocabulary().id(token))
    return state


def longest(state: State) -> list[int]:
    """The way through the grammar that goes on wherever it can."""
    ends = {pieces.END_TARGETS, *_both(pieces.END_VERDICT), *_both(pieces.END_CAUSES), *_both(pieces.NEXT_CAUSE)}
    ids: list[int] = []
    while not state.done:
        there = state.allowed().tolist()
        on = [i for i in there if vocabulary().decode([i]) not in ends] or there
        # A next cause is longer than the end of all, and one with rows longer than one without.
        ids.append(max(on, key=lambda i: (vocabulary().decode([i]) == pieces.NEXT_CAUSE.after_rows, -i)))
        state = state.advance(ids[-1])
    return ids


def _both(end: pieces.RowsEnd) -> tuple[str, str]:
    return end.after_rows, end.without_rows


@given(TOOLS, SHOWN, SEEDS)
def test_whatever_the_grammar_allows_is_a_move(allowed: list[str], shown: list[str], seed: int) -> None:
    ids = Aimless(seed).write(start(*allowed, shown=f"root c3 {' '.join(shown)}"))
    reply = as_reply(ids)
    assert not isinstance(parse(reply, allowed), Malformed)
    assert ids[-1] == vocabulary().end
    assert len(ids) <= LONGEST


@given(TOOLS, SHOWN, SEEDS)
def test_a_written_move_read_again_is_the_same_tokens(allowed: list[str], shown: list[str], seed: int) -> None:
    ids = Aimless(seed).write(start(*allowed, shown=f"root c3 {' '.join(shown)}"))
    reply = as_reply(ids)
    arguments = json.dumps(json.loads(reply.call_arguments))
    assert vocabulary().encode(call_text(reply.call_name, arguments) + "<|end|>") == ids


@given(TOOLS, SHOWN, SEEDS)
def test_only_what_the_prompt_shows_is_named_and_nothing_twice_in_a_list(
    allowed: list[str], shown: list[str], seed: int
) -> None:
    move = parse(as_reply(Aimless(seed).write(start(*allowed, shown=f"root c3 {' '.join(shown)}"))), allowed)
    named, cited = _named(move), _cited(move)
    assert set(named) <= {"c3", "all", *shown}
    assert len(set(named)) == len(named)
    assert all(set(rows) <= set(shown) and len(set(rows)) == len(rows) for rows in cited)


def _named(move: Any) -> list[str]:
    match move:
        case ToolCall():
            return [move.target]
        case Investigate():
            return list(move.targets)
        case PrintResults():
            return [cause.component for cause in move.causes]
        case _:
            return []


def _cited(move: Any) -> list[tuple[str, ...]]:
    match move:
        case ReportVerdict():
            return [move.rows]
        case PrintResults():
            return [cause.rows for cause in move.causes]
        case _:
            return []


def test_the_first_choice_is_the_tool_and_only_of_those_allowed() -> None:
    state = start("search_logs", "print_results")
    assert tokens(state) == {pieces.OPENING["search_logs"], pieces.OPENING["print_results"]}


def test_a_search_may_name_everything_and_takes_four_tokens() -> None:
    state = after(start("search_traces"), pieces.OPENING["search_traces"])
    assert tokens(state) == {"all", "c0", "c15", "n0", "n1"}
    ended = after(state, "all", pieces.END_SEARCH, "<|end|>")
    assert ended.done
    assert len(ended.allowed()) == 0


def test_an_investigation_names_no_more_than_there_may_be() -> None:
    state = after(start("investigate"), pieces.OPENING["investigate"])
    assert "all" not in tokens(state)
    written = after(state, "c0", pieces.NEXT, "c15", pieces.NEXT, "n0")
    assert tokens(written) == {pieces.NEXT, pieces.END_TARGETS}
    assert tokens(after(written, pieces.NEXT)) == {"n1"}
    assert tokens(after(written, pieces.NEXT, "n1")) == {pieces.END_TARGETS}


def test_without_rows_there_is_nothing_to_cite() -> None:
    state = after(start("report_verdict"), pieces.OPENING["report_verdict"], pieces.GUILTY)
    assert tokens(state) == {fault.value for fault in Fault}
    assert tokens(after(state, "cpu")) == {pieces.END_VERDICT.without_rows}


def test_a_ranking_ends_when_no_component_is_left() -> None:
    state = after(
        start("print_results", shown="root c1 e4"), pieces.OPENING["print_results"], "c1", pieces.FAULT, "cpu"
    )
    assert tokens(state) == {pieces.ROWS, pieces.END_CAUSES.without_rows}
    assert tokens(after(state, pieces.ROWS, "e4")) == {pieces.END_CAUSES.after_rows}


def test_the_longest_move_is_as_long_as_is_said_and_fits_a_reply() -> None:
    everything = " ".join([*(f"c{i}" for i in range(9)), *(f"e{i}" for i in range(9))])
    assert len(longest(start("print_results", shown=everything))) == LONGEST
    assert Budget().reply_tokens >= LONGEST


def test_a_frame_whose_components_have_no_token_can_still_end() -> None:
    ids = Aimless(1).write(start("print_results", shown="root c700"))
    assert isinstance(parse(as_reply(ids), ("print_results",)), PrintResults)


def test_ids_are_ascending_and_small() -> None:
    state = after(start("search_traces"), pieces.OPENING["search_traces"])
    assert state.allowed().dtype == np.int32
    assert (np.diff(state.allowed()) > 0).all()


@pytest.mark.parametrize("allowed", [(), ("search_stars",), ("search_logs", "search_stars")])
def test_tools_that_do_not_exist_are_our_own_mistake(allowed: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"there are search_traces, .*print_results"):
        start(*allowed)


def test_a_token_that_is_not_allowed_is_our_own_mistake() -> None:
    wrong = random.Random(1).choice([vocabulary().end, vocabulary().id("e9"), vocabulary().id("}")])
    with pytest.raises(ValueError, match="is not among"):
        start("search_logs").advance(wrong)


def test_the_moves_are_those_of_the_specs() -> None:
    assert tuple(pieces.OPENING) == specs.TOOL_NAMES
    assert tuple(specs.SIGNAL_OF) == pieces.SEARCHES
    assert (pieces.MAX_TARGETS, pieces.MAX_ROWS, pieces.MAX_CAUSES) == (
        specs.MAX_TARGETS,
        specs.MAX_ROWS,
        specs.MAX_CAUSES,
    )


def test_only_rows_that_were_shown_about_a_component_prove_anything_of_it() -> None:
    page = "root c1\ne3 gap c1>c2 s7\ne4 metric c2/0 s5\nc3 guilty cpu e8:s4 e9:s3\ne7 metric n0 s2"
    opening = pieces.OPENING["print_results"]
    for component, rows in (("c1", {"e3"}), ("c2", {"e3", "e4"}), ("c3", {"e8", "e9"}), ("n0", {"e7"})):
        state = after(start("print_results", shown=page), opening, component, pieces.FAULT, "cpu", pieces.ROWS)
        assert tokens(state) == rows


def test_a_verdict_is_proven_by_rows_about_the_component_that_its_frame_is_about() -> None:
    page = "child c2\nasked-by c1\ne3 gap c1>c2 s7\ne5 metric c1 s5"
    state = after(start("report_verdict", shown=page), pieces.OPENING["report_verdict"], pieces.GUILTY, "slow")
    assert tokens(after(state, pieces.ROWS)) == {"e3"}
