from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from service.domain.component import Component, edge, service
from service.domain.evidence import Evidence, EvidenceKind, Signal
from service.domain.fault import Fault
from service.domain.graph import ServiceGraph
from service.domain.move import Investigate, Malformed, PrintResults, ReportVerdict, Suspicion, ToolCall
from service.domain.transcript import Frame, Step, Transcript
from service.grader.reward import (
    DEFAULT_WEIGHTS,
    Episode,
    episode_of,
    format_share,
    made_up_share,
    rank_reward,
    reward,
    way_reward,
)
from service.grader.truth import TrueCause, Truth

NAMES = tuple(f"s{i}" for i in range(12))
GRAPH = ServiceGraph(services=NAMES, pods={"s1-pod": "s1"})
TRUTH = Truth((TrueCause(service("s0"), Fault.CPU),))
NOTHING = Truth(())

components = st.sampled_from([service(name) for name in NAMES] + [edge("s3", "s0"), edge("s0", "s5")])
answers = st.lists(st.none() | components, max_size=12).map(tuple)
ways = st.lists(components, max_size=12).map(tuple)


@st.composite
def episodes(draw: st.DrawFn) -> Episode:
    moves = draw(st.integers(0, 30))
    return Episode(
        answered=draw(answers),
        way=draw(ways),
        shown=frozenset(draw(ways)),
        moves=moves,
        malformed=draw(st.integers(0, moves)),
    )


@given(st.integers(1, 40), st.integers(1, 40))
def test_a_better_rank_is_never_paid_less(a: int, b: int) -> None:
    better, worse = min(a, b), max(a, b)
    assert 1 >= rank_reward(better, 10) >= rank_reward(worse, 10) >= rank_reward(None, 10) == 0


@given(st.integers(1, 10))
def test_every_rank_within_the_depth_is_paid_more_than_a_miss(rank: int) -> None:
    assert rank_reward(rank, 10) > rank_reward(None, 10)


@given(ways, ways)
def test_any_way_that_hits_is_paid_well_above_any_that_misses(one: tuple[Component, ...], other: tuple[Component, ...]):
    hit = way_reward((*one, service("s0")), TRUTH, GRAPH, DEFAULT_WEIGHTS)
    missing = tuple(c for c in other if c not in {service("s0"), edge("s3", "s0")})
    miss = way_reward(missing, TRUTH, GRAPH, DEFAULT_WEIGHTS)
    assert 0 <= miss <= 0.2 * hit <= 0.2


def test_what_is_opened_after_the_cause_was_found_costs() -> None:
    straight = (service("s3"), service("s0"))
    wandering = (*straight, *(service(f"s{i}") for i in range(4, 10)))
    assert way_reward(straight, TRUTH, GRAPH, DEFAULT_WEIGHTS) == 1.0
    assert way_reward(wandering, TRUTH, GRAPH, DEFAULT_WEIGHTS) < 1.0


def test_finding_the_cause_late_counts_in_full() -> None:
    late = (*(service(f"s{i}") for i in range(1, 10)), service("s0"))
    assert way_reward(late, TRUTH, GRAPH, DEFAULT_WEIGHTS) == 1.0


def test_answers_that_were_never_shown_and_answers_repeated_are_made_up() -> None:
    shown = frozenset({service("s0"), service("s1")})
    assert made_up_share((service("s0"), service("s1")), shown, TRUTH, GRAPH) == 0
    assert made_up_share((service("s0"), service("s7")), shown, TRUTH, GRAPH) == 0.5
    assert made_up_share((service("s0"), service("s0")), shown, TRUTH, GRAPH) == 0.5
    assert made_up_share((None, None), shown, TRUTH, GRAPH) == 1.5
    assert made_up_share((), shown, TRUTH, GRAPH) == 0


def test_format_is_the_share_of_moves_that_were_moves() -> None:
    assert format_share(4, 1) == 0.75
    assert format_share(0, 0) == 1.0


@given(episodes(), st.sampled_from([TRUTH, NOTHING, Truth((TrueCause(edge("s3", "s0")),))]))
def test_every_part_keeps_its_bounds(episode: Episode, truth: Truth) -> None:
    graded = reward(episode, truth, GRAPH)
    assert 0 <= graded.rank <= 1
    assert 0 <= graded.way <= 1
    assert 0 <= graded.made_up < 2
    assert 0 <= graded.format <= 1
    assert -0.4 < graded.total <= 1.3


@given(episodes(), st.lists(st.sampled_from([service(n) for n in NAMES[1:]]), unique=True, min_size=1))
def test_naming_the_cause_first_is_never_paid_less_than_naming_it_last(
    episode: Episode, others: list[Component]
) -> None:
    first = replace(episode, answered=(service("s0"), *others))
    last = replace(episode, answered=(*others, service("s0")))
    assert reward(first, TRUTH, GRAPH).total > reward(last, TRUTH, GRAPH).total - 1e-9


@given(episodes())
def test_where_nothing_was_wrong_naming_nothing_is_paid_most(episode: Episode) -> None:
    silent = replace(episode, answered=())
    assert reward(silent, NOTHING, GRAPH).total >= reward(episode, NOTHING, GRAPH).total


def test_an_episode_is_read_off_the_transcript() -> None:
    row = Evidence("e4", Signal.METRICS, EvidenceKind.METRIC, service("s2"), "cpu", score=9, now=2)
    unshown = Evidence("e5", Signal.METRICS, EvidenceKind.METRIC, service("s9"), "cpu", score=9, now=2)
    root = Frame(0, None, 0, service("s3"), "why?")
    child = Frame(1, 0, 1, service("s0"), "guilty?")
    root.steps = [
        Step(0, 0, 0, ToolCall("search_logs", "s3"), "", rows=("e4",)),
        Step(1, 1, 0, Malformed("no such tool"), ""),
        Step(2, 2, 0, Investigate(("s0",)), ""),
        Step(4, 4, 0, PrintResults((Suspicion("s0", Fault.CPU), Suspicion("nobody", Fault.CPU))), ""),
    ]
    child.steps = [Step(3, 3, 1, ReportVerdict(guilty=True, fault=Fault.CPU), "")]
    transcript = Transcript("i", "m", "names", "p", [root, child])

    episode = episode_of(transcript, (row, unshown), lambda n: service(n) if n in NAMES else None)

    assert episode.answered == (service("s0"), None)
    assert episode.way == (service("s3"), service("s0"))
    assert episode.shown == {service("s3"), service("s0"), service("s2")}
    assert (episode.moves, episode.malformed) == (5, 1)
