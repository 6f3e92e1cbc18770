"""The one way from a view to an answer: online, in the evaluation, in training."""

import time
from dataclasses import dataclass
from datetime import datetime

from service.agent.budget import Budget, Clock
from service.agent.causes import causes
from service.agent.claims import claims
from service.agent.rounds import OnStep, Played, play
from service.domain.component import Component, ComponentKind, service
from service.domain.localization import Localization, RankedBy, Stop, Suspect, Usage
from service.domain.transcript import Transcript
from service.domain.window import Window
from service.errors import ModelError
from service.ports import ChatModel
from service.rank import statistical
from service.rank.fusion import Fusion, Weights, confidences, fuse, in_model_order, unresolved
from service.rank.verification import Checked, verify
from service.tools.rendering import rendering_of
from service.view.view import View

_STANDARD = Budget()
_FUSION = Fusion()


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer and the way to it; the transcript has no frames where no model played."""

    localization: Localization
    transcript: Transcript
    window: Window
    onset: datetime | None = None


async def localize(
    view: View,
    model: ChatModel | None,
    budget: Budget = _STANDARD,
    *,
    rank: RankedBy = RankedBy.FUSED,
    fusion: Fusion = _FUSION,
    on_step: OnStep | None = None,
    clock: Clock = time.monotonic,
) -> Outcome:
    """Localize one incident. Without a model, or where it does not answer, the statistical rank stands.

    ``rank`` chooses which part orders the causes, ``fusion`` is what the model's word is worth. Nothing that the model
    does raises; cancellation goes through.
    """
    started = clock()
    prior = statistical.rank(view)
    played, checked = Played(Transcript(view.incident.id, "", "", ""), Stop.ANSWERED, Usage()), Checked((), 0)
    if model is not None and rank is not RankedBy.STATISTICAL:
        played, checked = await _ask(view, model, prior, budget, clock, on_step)
    ranked_by = rank if checked.suspects else RankedBy.STATISTICAL  # a model may say nothing that holds
    weights = fusion.of(ranked_by)
    ranking = _ranked(view, prior, checked, ranked_by, weights)
    confident = confidences(ranking, weights)
    localization = Localization(
        stop=played.stop,
        ranked_by=ranked_by,
        unresolved=unresolved(confident, weights),
        causes=causes(view, ranking, confident, prior),
        seconds=clock() - started,
        model=None if model is None or rank is RankedBy.STATISTICAL else model.identity,
        usage=played.usage,
        notes=(*view.incident.notes, *view.notes),
        dropped=checked.dropped,
    )
    return Outcome(localization, played.transcript, view.incident.window, view.onset)


async def _ask(
    view: View,
    model: ChatModel,
    prior: tuple[Suspect, ...],
    budget: Budget,
    clock: Clock,
    on_step: OnStep | None,
) -> tuple[Played, Checked]:
    """What the model says, checked."""
    entry = entry_of(view)
    if entry is None:
        return Played(Transcript(view.incident.id, model.identity.name, "", ""), Stop.ANSWERED, Usage()), Checked((), 0)
    try:
        played = await play(view, model, entry, prior, budget, clock, on_step)
    except ModelError:  # it cannot even say in which words it is asked
        down = Played(Transcript(view.incident.id, model.identity.name, "", ""), Stop.MODEL_DOWN, Usage())
        return down, Checked((), 0)
    return played, checked(played.transcript, view)


def checked(transcript: Transcript, view: View) -> Checked:
    """What of a transcript's claims holds."""
    naming = rendering_of(transcript.rendering, view).naming
    return verify(claims(transcript, naming), transcript.shown(), view)


def entry_of(view: View) -> Component | None:
    """Where the root frame stands: the first alerting service that exists, else a service that nobody calls and that
    calls the most, else any component at all.
    """
    graph = view.graph
    if alerting := [s for s in view.incident.alerting_services if s in graph.services]:
        return service(alerting[0])
    if graph.services:
        return service(max(graph.services, key=lambda s: (not graph.callers(s), len(graph.callees(s)))))
    return next((Component(ComponentKind.NODE, n) for n in graph.nodes()), None)


def _ranked(
    view: View, prior: tuple[Suspect, ...], checked: Checked, ranked_by: RankedBy, weights: Weights
) -> tuple[Suspect, ...]:
    if ranked_by is RankedBy.MODEL:
        return in_model_order(checked.suspects, weights)
    return fuse(prior, checked.suspects, view, weights)
