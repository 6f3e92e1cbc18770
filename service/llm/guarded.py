"""A model that may be down, hung or out of its mind, asked so that this costs few incidents their patience."""

import asyncio
import time
from collections.abc import Sequence

from service.breaker import Breaker, BreakerState
from service.domain.localization import ModelIdentity
from service.errors import ModelError
from service.ports import ChatModel, ChatReply, ChatRequest
from service.telemetry import Meters, logger

FAILURES = 3
"""Fewer than of a telemetry server: each that hangs costs an incident half a minute."""

REST_S = 30.0

FAIR_S = 1.0
"""A call that was left less time than this says nothing about the model by taking longer."""

NEARLY = 0.9
"""Of the time that it was left: who took so much of it took all of it, as two clocks are not started at once."""

WEIGHT = 0.3
"""Of the newest call in the smoothed latency."""


class GuardedModel:
    """A `ChatModel` behind a breaker: rounds that fail, or in which no frame gets a move that it may make, count; after
    some in a row the model is left alone, which is a `ModelError` at once, and the statistical rank answers.
    """

    def __init__(self, model: ChatModel, meters: Meters, breaker: Breaker | None = None) -> None:
        self._model = model
        self._meters = meters
        self._breaker = breaker or Breaker(FAILURES, REST_S)
        self.latency_s = 0.0
        """Of a round, smoothed; 0 until the first has ended."""

    @property
    def identity(self) -> ModelIdentity:
        """Which model it is."""
        return self._model.identity

    @property
    def rendering(self) -> str:
        """The words in which frames are put to it."""
        return self._model.rendering

    async def reply(self, requests: Sequence[ChatRequest], timeout_s: float) -> list[ChatReply]:
        """What the model replies. Raises `ModelError`, also while it is left alone."""
        rest_s = self._breaker.rests_s()
        if rest_s > 0:
            self._note("refused")
            raise ModelError(f"the model failed {self._breaker.failures} times in a row: left alone for {rest_s:.0f} s")
        self._show()
        started = time.monotonic()
        try:
            replies = await self._model.reply(requests, timeout_s)
        except ModelError as error:
            self._failed(str(error), timeout_s, time.monotonic() - started)
            raise
        except asyncio.CancelledError:
            took_s = time.monotonic() - started
            if took_s >= NEARLY * timeout_s:  # who asks waits for as long, and may be the first to let go
                self._failed(f"no answer within {timeout_s:g} s", timeout_s, took_s)
            raise
        finally:
            self._breaker.undecided()
            self._smooth(time.monotonic() - started)
        self._answered(requests, replies)
        return replies

    def _failed(self, why: str, timeout_s: float, took_s: float) -> None:
        if timeout_s >= FAIR_S or took_s < NEARLY * timeout_s:
            self._breaker.failed()
        self._note("failed")
        logger("model").warning("the model failed: %s", why)

    def _answered(self, requests: Sequence[ChatRequest], replies: Sequence[ChatReply]) -> None:
        """A move that nobody may make is data for its frame; a round of nothing else is a model in trouble."""
        if any(reply.call_name in request.allowed for request, reply in zip(requests, replies, strict=True)):
            self._breaker.succeeded()
            self._note("answered")
        else:
            self._breaker.failed()
            self._note("garbage")

    def _smooth(self, took_s: float) -> None:
        self.latency_s = WEIGHT * took_s + (1 - WEIGHT) * self.latency_s if self.latency_s else took_s
        self._meters.model_latency_s.set(self.latency_s)

    def _note(self, outcome: str) -> None:
        self._meters.model_rounds.labels(outcome).inc()
        self._show()

    def _show(self) -> None:
        for state in BreakerState:
            self._meters.model_breaker.labels(state.value).set(self._breaker.state is state)
