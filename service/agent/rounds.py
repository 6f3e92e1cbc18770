"""The loop. All open frames advance one move per round, in the order of their ids; their model calls go out together.

Nothing waits on a sibling, siblings share a batch, and the same case gives the same transcript whatever the machine's
load. Whatever the model does is data; only cancellation and our own bugs leave here as exceptions.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from service.agent.budget import Budget, Clock, Meter
from service.agent.desk import Desk
from service.agent.frames import Awaited, FrameTree, answered
from service.agent.parser import parse
from service.agent.prompt import child_question, prompt_id, root_question
from service.agent.renderer import messages, written
from service.domain.component import Component
from service.domain.fault import Fault
from service.domain.localization import Stop, Suspect, Usage
from service.domain.move import Investigate, Malformed, Move, PrintResults, ReportVerdict, ToolCall, Verdict
from service.domain.transcript import Frame, Step, Transcript
from service.errors import ModelError
from service.ports import ChatModel, ChatReply, ChatRequest
from service.telemetry import span
from service.tools.rendering import Rendering, rendering_of
from service.tools.search import Answer
from service.tools.specs import INVESTIGATE, PRINT_RESULTS, REPORT_VERDICT, SIGNAL_OF, TOOLS
from service.view.view import View

OnStep = Callable[[Frame, Step], None]
"""Told of every step when it is made. An investigation is told when it opens; its answer, which is its children's
verdicts, stands in the transcript once they are there."""


@dataclass(frozen=True, slots=True)
class Played:
    """What the loop leaves behind."""

    transcript: Transcript
    stop: Stop
    usage: Usage


@dataclass(frozen=True, slots=True)
class _Turn:
    """One frame's turn in a round; ``forced`` says what ran out if only the ending move is left."""

    frame: Frame
    allowed: tuple[str, ...]
    forced: Stop | None


async def play(
    view: View,
    model: ChatModel,
    entry: Component,
    prior: Sequence[Suspect],
    budget: Budget,
    clock: Clock,
    on_step: OnStep | None = None,
) -> Played:
    """Let a model look at an incident, starting from ``entry`` and from whom statistics suspect (``prior``), until it
    answers or its budget is spent.
    """
    rendering = rendering_of(model.rendering, view)
    rounds = _Rounds(view, model, rendering, prior, Meter(budget, clock), Desk(view, rendering), on_step)
    rounds.tree.open(entry, root_question(view, rendering, entry, prior))
    stop = await rounds.until_the_end()
    name = " ".join(word for word in (model.identity.name, model.identity.version) if word)
    transcript = Transcript(view.incident.id, name, rendering.name, prompt_id(rendering.name), rounds.tree.frames)
    return Played(transcript, stop, rounds.usage())


@dataclass(slots=True)
class _Rounds:
    view: View
    model: ChatModel
    rendering: Rendering
    prior: Sequence[Suspect]
    meter: Meter
    desk: Desk
    on_step: OnStep | None
    tree: FrameTree = field(default_factory=FrameTree)
    number: int = 0
    stop: Stop = Stop.ANSWERED

    async def until_the_end(self) -> Stop:
        while turns := [self._turn(frame) for frame in self.tree.ready()]:
            if self.meter.out_of_time:
                return Stop.OUT_OF_TIME
            requests = [self._request(turn) for turn in turns]
            try:
                replies = await self._ask(requests)
            except ModelError:
                return Stop.OUT_OF_TIME if self.meter.out_of_time else Stop.MODEL_DOWN
            for turn, request, reply in zip(turns, requests, replies, strict=True):
                self._advance(turn, request, reply)
            self._wake()
            self.number += 1
        return self.stop

    def _turn(self, frame: Frame) -> _Turn:
        ending = REPORT_VERDICT if frame.parent is not None else PRINT_RESULTS
        if self.meter.out_of_tokens:
            return _Turn(frame, (ending,), Stop.OUT_OF_TOKENS)
        if len(frame.steps) >= self.meter.budget.turns - 1:
            return _Turn(frame, (ending,), Stop.OUT_OF_TURNS)
        deeper = (INVESTIGATE,) if self._may_open(frame) else ()
        return _Turn(frame, (*SIGNAL_OF, *deeper, ending), None)

    def _may_open(self, frame: Frame) -> bool:
        return frame.depth < self.meter.budget.depth and len(self.tree.frames) < self.meter.budget.frames

    def _request(self, turn: _Turn) -> ChatRequest:
        shown = messages(turn.frame, self.rendering.name)
        return ChatRequest(shown, TOOLS, turn.allowed, self.meter.budget.reply_tokens)

    async def _ask(self, requests: list[ChatRequest]) -> list[ChatReply]:
        patience_s = self.meter.patience_s
        try:
            async with asyncio.timeout(patience_s):
                replies = await self.model.reply(requests, patience_s)
        except TimeoutError as error:
            raise ModelError(f"no answer from the model within {patience_s:.1f} s") from error
        if len(replies) != len(requests):
            raise ModelError(f"the model made {len(replies)} moves where {len(requests)} were asked for")
        return replies

    def _advance(self, turn: _Turn, request: ChatRequest, reply: ChatReply) -> None:
        """Make one frame's move and keep it as a step."""
        frame, move = turn.frame, parse(reply, turn.allowed)
        answer = self._made(turn, move)
        prompt_tokens, completion_tokens = self.meter.spend(request, reply)
        step = Step(
            number=self.tree.steps_made,
            round=self.number,
            frame=frame.id,
            move=move,
            observation=answer.text,
            reply=written(reply),
            rows=answer.rows,
            forced=turn.forced is not None,
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            token_ids=reply.token_ids,
            about=self.desk.named(move),
        )
        self.tree.record(frame, step)
        if self.on_step is not None:
            self.on_step(frame, step)

    def _made(self, turn: _Turn, move: Move) -> Answer:
        """What comes back on a move; nothing yet where the frame now sleeps, nothing at all where it has ended."""
        match move:
            case ToolCall():
                told = {
                    "gen_ai.operation.name": "execute_tool",
                    "gen_ai.tool.name": move.tool,
                    "gen_ai.tool.type": "function",
                }
                with span(f"execute_tool {move.tool}", {**told, "hypocenter.frame": turn.frame.id}):
                    return self.desk.search(turn.frame, move)
            case Investigate():
                return self._descend(turn.frame, move)
            case ReportVerdict():
                turn.frame.verdict = Verdict(turn.frame.component, move.guilty, move.fault, move.rows)
                return Answer("")
            case PrintResults():
                return self._conclude(turn, move)
            case Malformed():
                self._end_anyway(turn)
                return Answer(move.reason)
            case _:
                assert_never(move)

    def _descend(self, frame: Frame, move: Investigate) -> Answer:
        """Open a child for each component not yet investigated, and sleep; say of the others what is known."""
        lines: dict[Component | str, str | Frame] = {}
        for target in move.targets:
            component = self.desk.component(target)
            if component is None:
                lines[target] = self.desk.unknown(target)
            elif component not in lines:
                lines[component] = self._child(frame, component)
        awaited = Awaited(tuple(lines.values()))
        if awaited.all_there:
            return self.desk.folded(awaited)
        self.tree.sleep(frame, awaited)
        return Answer("")

    def _child(self, frame: Frame, component: Component) -> str | Frame:
        earlier = self.tree.investigation(component)
        if earlier is not None:
            known = earlier.verdict is not None
            return earlier if known else f"{self.rendering.naming.of(component)} being investigated"
        if not self._may_open(frame):
            return f"{self.rendering.naming.of(component)} not investigated: no frames left"
        question = child_question(self.view, self.rendering, component, frame.component, self.prior)
        return self.tree.open(component, question, frame)

    def _conclude(self, turn: _Turn, move: PrintResults) -> Answer:
        """End with the model's ranking; while it can be mended, one that names what does not exist is sent back."""
        unknown = [c.component for c in move.causes if self.desk.resolve(c.component) is None]
        if unknown and turn.forced is None:
            return Answer(self.desk.unknown(unknown[0]))
        self.tree.ended = True
        self.stop = turn.forced or Stop.ANSWERED
        return Answer("")

    def _end_anyway(self, turn: _Turn) -> None:
        """A forced ending that is none: a child is then neither guilty nor cleared, the root says what verdicts say."""
        if turn.forced is None:
            return
        if turn.frame.parent is None:
            self.tree.ended = True
            self.stop = turn.forced
        else:
            turn.frame.verdict = Verdict(turn.frame.component, guilty=False, fault=Fault.UNKNOWN)

    def _wake(self) -> None:
        """Give every frame whose children are all done their verdicts, as one observation."""
        for frame, awaited in self.tree.due():
            answer = self.desk.folded(awaited)
            answered(frame, answer.text, answer.rows)

    def usage(self) -> Usage:
        steps = [s for f in self.tree.frames for s in f.steps]
        return Usage(
            frames=len(self.tree.frames),
            turns=len(steps),
            tool_calls=sum(isinstance(s.move, ToolCall) for s in steps),
            prompt_tokens=self.meter.prompt_tokens,
            completion_tokens=self.meter.completion_tokens,
        )
