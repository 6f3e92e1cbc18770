from collections.abc import Callable
from dataclasses import dataclass, field

from service.ports import ChatReply, ChatRequest
from service.tools.rendering import estimated_tokens

Clock = Callable[[], float]
"""Seconds on a clock that never goes back."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What one localization may cost. All but the deadline are counted, so that the same case plays the same way.

    ``depth`` is that of the deepest frame: 0 is the linear plan, a root without children. When ``tokens`` are spent
    every open frame still gets its one ending move.
    """

    depth: int = 3
    frames: int = 16
    turns: int = 8  # of one frame, its ending move included
    tokens: int = 100_000  # prompts and completions of all frames
    reply_tokens: int = 256  # of one move
    reply_timeout_s: float = 60.0  # of one round's model calls
    deadline_s: float | None = None


@dataclass(slots=True)
class Meter:
    """What has been spent of a budget."""

    budget: Budget
    clock: Clock
    started: float = field(init=False)
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __post_init__(self) -> None:
        self.started = self.clock()

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return self.clock() - self.started

    @property
    def out_of_time(self) -> bool:
        """Whether the deadline has passed."""
        return self.budget.deadline_s is not None and self.seconds >= self.budget.deadline_s

    @property
    def out_of_tokens(self) -> bool:
        """Whether no tokens are left for anything but ending."""
        return self.prompt_tokens + self.completion_tokens >= self.budget.tokens

    @property
    def patience_s(self) -> float:
        """How long the next model call may take."""
        limit = self.budget.reply_timeout_s
        return limit if self.budget.deadline_s is None else min(limit, max(0.0, self.budget.deadline_s - self.seconds))

    def spend(self, request: ChatRequest, reply: ChatReply) -> tuple[int, int]:
        """Book one reply; prompt and completion tokens, estimated where the model does not count them."""
        prompt = reply.prompt_tokens or sum(estimated_tokens(m.content + m.call_arguments) for m in request.messages)
        completion = reply.completion_tokens or estimated_tokens(reply.call_arguments + reply.text)
        self.prompt_tokens += prompt
        self.completion_tokens += completion
        return prompt, completion
