"""The reward of one episode: S = R·rank + P·way − H·made-up + F·format, after arXiv 2504.18776, mended.

There a miss is paid more than rank 10, and a long way that never touches the cause is paid like one that does. Here
an absent cause pays no R, and the no-hit way stays well below every hit.
"""

from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass

from service.domain.component import Component
from service.domain.evidence import Evidence
from service.domain.graph import ServiceGraph
from service.domain.move import Malformed, PrintResults
from service.domain.transcript import Transcript
from service.grader.ranks import rank_of_truth
from service.grader.truth import Truth, collapse


@dataclass(frozen=True, slots=True)
class Episode:
    """What the reward looks at. ``answered`` is as the model wrote it: None is a name that does not exist.

    ``way`` are the components in the order in which their frames opened, ``shown`` all that the observations spoke of.
    """

    answered: tuple[Component | None, ...]
    way: tuple[Component, ...]
    shown: frozenset[Component]
    moves: int
    malformed: int


@dataclass(frozen=True, slots=True)
class RewardWeights:
    """How much each part counts, and the shapes of the parts: the published values where there are any.

    The paper leaves μ (``way_slack``) and D_max (``way_depth``) open; ours are to be ablated with the trained model.
    """

    rank: float = 1.0
    way: float = 0.2
    made_up: float = 0.2
    format: float = 0.1
    rank_depth: int = 10  # ranks below this one pay nothing
    way_slack: int = 1  # μ: one frame after the cause's own is free, to rule a neighbour out
    way_depth: int = 5  # D_max: a longer way without a hit pays no more
    way_hit_floor: float = 0.5  # what any hit pays at least
    way_miss_cap: float = 0.1  # what no miss exceeds: looking around is worth something, never as much as finding


@dataclass(frozen=True, slots=True)
class Reward:
    """The parts before weighting, and their weighted sum."""

    rank: float  # R, 0 to 1
    way: float  # P, 0 to 1
    made_up: float  # H, 0 to below 2
    format: float  # F, 0 to 1
    total: float


DEFAULT_WEIGHTS = RewardWeights()


def reward(episode: Episode, truth: Truth, graph: ServiceGraph, weights: RewardWeights = DEFAULT_WEIGHTS) -> Reward:
    """Grade an episode. Where nothing was wrong, naming nothing is the right answer and pays the full R."""
    if truth.causes:
        known = [component for component in episode.answered if component is not None]
        r = rank_reward(rank_of_truth(known, truth, graph), weights.rank_depth)
    else:
        r = 0.0 if episode.answered else 1.0
    p = way_reward(episode.way, truth, graph, weights)
    h = made_up_share(episode.answered, episode.shown, truth, graph)
    f = format_share(episode.moves, episode.malformed)
    total = weights.rank * r + weights.way * p - weights.made_up * h + weights.format * f
    return Reward(rank=r, way=p, made_up=h, format=f, total=total)


def rank_reward(rank: int | None, depth: int) -> float:
    """R: 1 for the first place, falling by 1/depth a place, 0 beyond the depth and for an absent cause."""
    return 0.0 if rank is None else max(0.0, 1 - (rank - 1) / depth)


def way_reward(way: Sequence[Component], truth: Truth, graph: ServiceGraph, weights: RewardWeights) -> float:
    """P: with L distinct components on the way and the true one in place r, ``min(r / (L − μ), 1)``, lifted above the
    floor of a hit; so what is opened after the cause was found costs. Without a hit ``min(L / D_max, 1)``, capped.
    """
    length = len({collapse(component, truth, graph) for component in way})
    place = rank_of_truth(way, truth, graph)
    if place is None:
        return weights.way_miss_cap * min(length / weights.way_depth, 1.0) if truth.causes else 0.0
    lateness = min(place / max(length - weights.way_slack, 1), 1.0)
    return weights.way_hit_floor + (1 - weights.way_hit_floor) * lateness


def made_up_share(
    answered: Sequence[Component | None], shown: Set[Component], truth: Truth, graph: ServiceGraph
) -> float:
    """H: the share of answers that were never shown, plus the share that repeat an earlier one."""
    if not answered:
        return 0.0
    counted = [None if a is None else collapse(a, truth, graph) for a in answered]
    seen = {collapse(component, truth, graph) for component in shown}
    unseen = sum(a not in seen for a in counted)
    return (unseen + len(counted) - len(set(counted))) / len(counted)


def format_share(moves: int, malformed: int) -> float:
    """F: the share of moves that were moves at all; 1 without any."""
    return 1 - malformed / moves if moves else 1.0


def episode_of(
    transcript: Transcript, evidence: Iterable[Evidence], resolve: Callable[[str], Component | None]
) -> Episode:
    """Read an episode off a transcript; ``resolve`` turns a name as the model wrote it into a component."""
    steps = transcript.steps()
    shown = transcript.shown()
    way = tuple(frame.component for frame in transcript.frames)
    answers = [step.move for step in steps if isinstance(step.move, PrintResults)]
    return Episode(
        answered=tuple(resolve(cause.component) for cause in answers[-1].causes) if answers else (),
        way=way,
        shown=frozenset(way) | {row.component for row in evidence if row.id in shown},
        moves=len(steps),
        malformed=sum(isinstance(step.move, Malformed) for step in steps),
    )
