"""From an incident to its answer: what is fetched and what is thought share one deadline."""

import time
from dataclasses import dataclass, field, replace

from service.agent.budget import Budget
from service.agent.links import NO_LINKS, Links
from service.agent.localize import Outcome, localize
from service.agent.rounds import OnStep
from service.domain.incident import Incident
from service.domain.localization import RankedBy, Stop
from service.ports import ChatModel, Telemetry
from service.rank.fusion import Fusion
from service.view.opening import open_view
from service.view.view import View

TELEMETRY_SHARE = 0.6
"""Of the deadline, what waiting for telemetry may take: what came in has still to be looked at."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What a localization is made with: where telemetry comes from, who decides, what it may cost, and where people
    can look at its evidence.
    """

    telemetry: Telemetry
    model: ChatModel | None
    rank: RankedBy
    budget: Budget
    deadline_s: float
    telemetry_timeout_s: float
    fusion: Fusion = field(default_factory=Fusion)
    links: Links = NO_LINKS


@dataclass(frozen=True, slots=True)
class Scene:
    """An incident that was looked at, to be localized once or, if the first answer is not the best, again. The deadline
    counts from before the look.
    """

    view: View
    bench: Bench
    began: float
    allowed_s: float

    @property
    def left_s(self) -> float:
        """How much of the time that is allowed is left."""
        return max(0.0, self.allowed_s - (time.monotonic() - self.began))

    async def localize(self, model: ChatModel | None, on_step: OnStep | None = None) -> Outcome:
        """The answer with that model, or without one. Where the deadline was up before all telemetry was there and
        looked at, it says so (``out_of_time``), whoever ranked.
        """
        left_s, bench = self.left_s, self.bench
        budget = replace(bench.budget, deadline_s=left_s)
        outcome = await localize(self.view, model, budget, rank=bench.rank, fusion=bench.fusion, on_step=on_step)
        stop = outcome.localization.stop if left_s > 0 else Stop.OUT_OF_TIME
        said = replace(outcome.localization, seconds=time.monotonic() - self.began, stop=stop)
        return replace(outcome, localization=said)


async def look(incident: Incident, bench: Bench, deadline_s: float | None = None) -> Scene:
    """Open the incident's view. The deadline counts from here; the bench's own bounds it.

    Raises `service.errors.CaseError` where a recorded case turns out to be damaged.
    """
    began = time.monotonic()
    allowed_s = min(deadline_s or bench.deadline_s, bench.deadline_s)
    patience_s = min(bench.telemetry_timeout_s, TELEMETRY_SHARE * allowed_s)
    view = await open_view(incident, bench.telemetry, patience_s)
    return Scene(view, bench, began, allowed_s)


async def answer(
    incident: Incident, bench: Bench, deadline_s: float | None = None, on_step: OnStep | None = None
) -> tuple[View, Outcome]:
    """Look at the incident and localize it with the bench's model."""
    scene = await look(incident, bench, deadline_s)
    return scene.view, await scene.localize(bench.model, on_step)
