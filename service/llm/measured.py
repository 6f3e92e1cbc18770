"""A model whose calls are told of by OpenTelemetry's conventions for GenAI: a span and metrics each."""

import json
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager

from opentelemetry.trace import Span, SpanKind

from service.domain.localization import ModelIdentity
from service.errors import ModelError
from service.ports import ChatModel, ChatReply, ChatRequest
from service.telemetry import Meters, span


class MeasuredModel:
    """A `service.ports.ChatModel` around another, which runs in this process or elsewhere (``address``). One call,
    which is a round of the loop, is one operation; its tokens are counted for each conversation. What the model was
    shown and wrote is told only where ``content`` asks for it.
    """

    def __init__(
        self, model: ChatModel, provider: str, meters: Meters, *, address: str = "", content: bool = False
    ) -> None:
        self._model = model
        self._provider = provider
        self._meters = meters
        self._address = address
        self._content = content

    @property
    def identity(self) -> ModelIdentity:
        """As the other has it."""
        return self._model.identity

    @property
    def rendering(self) -> str:
        """As the other has it."""
        return self._model.rendering

    async def reply(self, requests: Sequence[ChatRequest], timeout_s: float) -> list[ChatReply]:
        """What the other replies."""
        with self._operation(len(requests)) as active:
            replies = await self._model.reply(requests, timeout_s)
            active.set_attribute("gen_ai.usage.input_tokens", sum(reply.prompt_tokens for reply in replies))
            active.set_attribute("gen_ai.usage.output_tokens", sum(reply.completion_tokens for reply in replies))
            if self._content:
                for request, reply in zip(requests, replies, strict=False):
                    active.add_event("gen_ai.client.inference.operation.details", _content(request, reply))
        for reply in replies:
            self._meters.tokens.labels(*self._labels, "input").observe(reply.prompt_tokens)
            self._meters.tokens.labels(*self._labels, "output").observe(reply.completion_tokens)
        return replies

    @property
    def _labels(self) -> tuple[str, str, str]:
        return "chat", self._provider, self.identity.name

    @contextmanager
    def _operation(self, conversations: int) -> Generator[Span]:
        operation, provider, model = self._labels
        told: dict[str, str | int] = {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": provider,
            "gen_ai.request.model": model,
            "hypocenter.conversations": conversations,
        }
        if self._address:
            told["server.address"] = self._address
        started, failed = time.perf_counter(), ""
        try:
            with span(f"chat {model}", told, SpanKind.CLIENT if self._address else SpanKind.INTERNAL) as active:
                yield active
        except ModelError as error:
            failed = type(error).__name__
            raise
        finally:
            seconds = time.perf_counter() - started
            self._meters.model_seconds.labels(*self._labels, failed).observe(seconds)


def _content(request: ChatRequest, reply: ChatReply) -> dict[str, str]:
    """The messages of a conversation and the move, as JSON."""
    shown = [{"role": m.role, "content": m.content, "call": m.call_arguments} for m in request.messages]
    wrote = {"role": "assistant", "content": reply.text, "name": reply.call_name, "call": reply.call_arguments}
    return {"gen_ai.input.messages": json.dumps(shown), "gen_ai.output.messages": json.dumps([wrote])}
