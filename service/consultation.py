"""Whether the model is asked about an incident, and what is answered until it has spoken, or instead.

The statistical rank is there at once. Where there is no seat at the model, or it takes its time, that is shown as the
interim answer; the model's follows if it still helps, else the statistical answer stands and its ``stop`` says why.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from service.agent.answering import Scene
from service.agent.localize import Outcome
from service.agent.rounds import OnStep
from service.domain.localization import RankedBy, Stop
from service.llm.admission import Admission
from service.llm.allowance import Allowance
from service.llm.guarded import GuardedModel
from service.telemetry import Meters


@dataclass(frozen=True, slots=True)
class Asker:
    """For whom the model is asked: whose tokens these are, who is told of its steps, what shows an interim answer, and
    what tells whether a better one would still help.
    """

    tenant: str
    on_step: OnStep
    show: Callable[[Outcome], Awaitable[None]]
    still_helps: Callable[[], Awaitable[bool]]


class Consultation:
    """The model with its seats, its allowance and how long it is waited for before something else is shown."""

    def __init__(
        self, model: GuardedModel, admission: Admission, allowance: Allowance, interim_s: float, meters: Meters
    ) -> None:
        self._model = model
        self._admission = admission
        self._allowance = allowance
        self._interim_s = interim_s
        self._meters = meters

    async def answer(self, scene: Scene, asker: Asker) -> Outcome:
        """The final answer. Raises what showing and asking whether it still helps raise."""
        if scene.bench.rank is RankedBy.STATISTICAL:
            return await scene.localize(None)
        if not self._allowance.covers(asker.tenant):
            return _unasked(await scene.localize(None), Stop.OVER_BUDGET)
        if self._admission.crowded:
            return _unasked(await scene.localize(None), Stop.MODEL_BUSY)
        interim = await self._shown(scene, asker) if self._admission.full else None
        async with self._admission.seat(scene.left_s) as seated:
            if seated and interim is None:
                return await self._patiently(scene, asker)
            if seated and await asker.still_helps():
                return await self._asked(scene, asker)
        return _unasked(interim or await scene.localize(None), Stop.MODEL_BUSY)

    async def _patiently(self, scene: Scene, asker: Asker) -> Outcome:
        """What the model says; while that takes longer than one should have to wait, what the statistics say."""
        asking = asyncio.create_task(self._asked(scene, asker))
        try:
            await asyncio.wait({asking}, timeout=self._interim_s)
            if not asking.done():
                await self._shown(scene, asker)
            return await asking
        finally:
            asking.cancel()

    async def _asked(self, scene: Scene, asker: Asker) -> Outcome:
        outcome = await scene.localize(self._model, asker.on_step)
        usage = outcome.localization.usage
        self._allowance.spend(asker.tenant, usage.prompt_tokens + usage.completion_tokens)
        return outcome

    async def _shown(self, scene: Scene, asker: Asker) -> Outcome:
        outcome = await scene.localize(None)
        await asker.show(outcome)
        self._meters.interim.inc()
        return outcome


def _unasked(outcome: Outcome, stop: Stop) -> Outcome:
    """A statistical answer that says why it is one; that time was up before all was looked at is said first."""
    said = outcome.localization
    return outcome if said.stop is not Stop.ANSWERED else replace(outcome, localization=replace(said, stop=stop))
