"""What an episode is paid in a stage of training: the grader's parts and, before they are learned, simpler ones.

recall       1 if a true cause is among the answers at all: a first step to the rank, without its jumps
exploration  what was looked at: new and right pays much, new and wrong a little, a repetition costs; see `Exploration`
fault        1 if the first true answer names the true kind of fault
proof        share of the causes that rest on a row which was shown, holds and is about them
rank, way, made_up, format: as in `service.grader.reward`

Where nothing was wrong, the right answer is to prove nothing: whoever cites a row that holds gets nothing of rank,
recall, fault and proof, whoever cites none all of it.

A child frame is paid on its own too, for its verdict: guilty or not, and of what.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from service.agent.claims import claims
from service.agent.localize import Outcome
from service.domain.component import Component
from service.domain.fault import Fault
from service.domain.graph import ServiceGraph
from service.domain.localization import Suspect
from service.domain.move import Investigate, ToolCall
from service.domain.transcript import Frame, Step, Transcript
from service.grader.ranks import rank_of_truth
from service.grader.reward import RewardWeights, episode_of, reward
from service.grader.truth import Truth, collapse, true_components
from service.rank.verification import verify
from service.tools.rendering import rendering_of
from service.view.view import View

PARTS = ("rank", "recall", "way", "made_up", "format", "exploration", "fault", "proof")
COSTS = frozenset({"made_up"})
"""Parts that are taken off."""


@dataclass(frozen=True, slots=True)
class Exploration:
    """What looks pay: a tool asked about a component, or a frame opened for one. The sum counts up to ``enough``, as a
    share of it, and never less than nothing.
    """

    new_and_right: float = 1.0
    new_and_wrong: float = 0.1
    repeated: float = -0.1
    enough: float = 2.0


@dataclass(frozen=True, slots=True)
class Pay:
    """How much each part counts in a stage, by its name in `PARTS`; and the shapes of the parts."""

    weights: Mapping[str, float]
    shapes: RewardWeights
    exploration: Exploration
    child_fault: float  # of a right "guilty", the share that naming the right fault makes up


@dataclass(frozen=True, slots=True)
class Graded:
    """One episode: the parts before weighting, their weighted sum, and what each frame's own verdict is worth (None
    for the root and for frames that never reported).
    """

    parts: Mapping[str, float]
    total: float
    verdicts: tuple[float | None, ...]


def graded(outcome: Outcome, view: View, truth: Truth, pay: Pay) -> Graded:
    """Pay an episode that was played on a view, with the model's ranking alone."""
    transcript = outcome.transcript
    naming = rendering_of(transcript.rendering, view).naming
    episode = episode_of(transcript, view.evidence, naming.resolve)
    paid = reward(episode, truth, view.graph, pay.shapes)
    checked = verify(claims(transcript, naming), transcript.shown(), view)
    proven = [suspect.score > 0 for suspect in checked.suspects]
    silent = bool(transcript.frames) and not any(proven)
    known = [component for component in episode.answered if component is not None]
    found = rank_of_truth(known, truth, view.graph) is not None
    parts = {
        "rank": paid.rank if truth.causes else float(silent),
        "recall": float(found if truth.causes else silent),
        "way": paid.way,
        "made_up": paid.made_up,
        "format": paid.format,
        "exploration": explored(transcript, truth, view.graph, pay.exploration),
        "fault": float(_fault_right(checked.suspects, truth, view.graph) if truth.causes else silent),
        "proof": sum(proven) / max(1, len(proven)) if truth.causes else float(silent),
    }
    verdicts = tuple(verdict_right(frame, truth, view.graph, pay.child_fault) for frame in transcript.frames)
    return Graded(parts, weighted(parts, pay.weights), verdicts)


def _fault_right(suspects: Iterable[Suspect], truth: Truth, graph: ServiceGraph) -> bool:
    """Whether the first answer about a true component names one of that component's true faults."""
    for suspect in suspects:
        component = collapse(suspect.component, truth, graph)
        if faults := {cause.fault for cause in truth.causes if collapse(cause.component, truth, graph) == component}:
            return suspect.fault in faults or faults == {Fault.UNKNOWN}
    return False


def weighted(parts: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """The parts as one number; costs are taken off."""
    return sum((-1 if name in COSTS else 1) * weight * parts[name] for name, weight in weights.items())


def explored(transcript: Transcript, truth: Truth, graph: ServiceGraph, pays: Exploration) -> float:
    """What an episode's looks are worth, 0 to 1. Looking at everything at once is new and wrong: it points nowhere."""
    wanted = true_components(truth, graph)
    seen: set[tuple[str, Component | None]] = set()
    worth = 0.0
    for kind, component in _looks(transcript.steps()):
        look = (kind, None if component is None else collapse(component, truth, graph))
        if look in seen:
            worth += pays.repeated
        else:
            worth += pays.new_and_right if look[1] in wanted else pays.new_and_wrong
        seen.add(look)
    return min(1.0, max(0.0, worth / pays.enough))


def verdict_right(frame: Frame, truth: Truth, graph: ServiceGraph, fault_share: float) -> float | None:
    """Whether a child judged rightly, 0 to 1; naming the wrong fault of what is guilty costs ``fault_share``."""
    if frame.parent is None or frame.verdict is None:
        return None
    component = collapse(frame.component, truth, graph)
    faults = {cause.fault for cause in truth.causes if collapse(cause.component, truth, graph) == component}
    if frame.verdict.guilty != bool(faults):
        return 0.0
    named = not faults or Fault.UNKNOWN in faults or frame.verdict.fault in faults
    return 1.0 if named else 1.0 - fault_share


def _looks(steps: Iterable[Step]) -> Iterable[tuple[str, Component | None]]:
    for step in steps:
        match step.move:
            case ToolCall(tool=tool):
                yield tool, step.about[0] if step.about else None
            case Investigate():
                yield from (("investigate", component) for component in step.about)
            case _:
                pass
