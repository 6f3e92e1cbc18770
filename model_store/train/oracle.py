"""The policy that knows the truth and says only what the page supports: what the small model learns to imitate.

Which signals are searched, when searching ends and how many components are looked into follows from the page (with
seeded variety, so that more than one way is seen); the truth decides only among what the page leaves open: it is
looked into, found guilty and ranked first as soon as a row that was shown speaks against it, and never before.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model_store.train.suspicion import (
    explained_below,
    fails_rather_than_slows,
    named_fault,
    proof,
    speaking,
    suspicions,
)
from service.domain.fault import Fault
from service.domain.localization import ModelIdentity
from service.grader.truth import Truth, collapse
from service.llm.alias_text import Reading, read
from service.ports import ChatReply, ChatRequest
from service.tools.naming import WHOLE_SYSTEM
from service.tools.rendering import ALIASES, rendering_of
from service.tools.search import search
from service.tools.specs import (
    INVESTIGATE,
    MAX_CAUSES,
    MAX_TARGETS,
    PRINT_RESULTS,
    REPORT_VERDICT,
    SEARCH_CHANGES,
    SEARCH_LOGS,
    SEARCH_METRICS,
    SEARCH_TRACES,
    SIGNAL_OF,
)
from service.view.view import View

_CLEAR, _CLEARLY_MORE = 1.2, 2.5  # a suspicion that ends the search for others, and what the next one must fall below
_PLAUSIBLE = 0.4  # of the highest suspicion: who is worth an investigation
_WORTH_TELLING = 0.1  # of the highest suspicion: who is worth a line in the answer
_AS_LIKELY = 0.6  # the same where nothing stands out as the cause
_OWN_TROUBLE = 0.3  # what must speak against a component for its changes to matter
_TRUE = 3.0  # what knowing the truth adds to a suspicion in the order of investigations
_FOLLOWED = 2  # searches of single components from the root, at most


@dataclass(frozen=True, slots=True)
class _Way:
    """The chances that were drawn for one incident."""

    metrics_first: bool
    brisk: bool  # ends a search when one component clearly stands out
    wrong_first: bool  # looks into others before the true one
    company: int  # how many others are looked into beside it, at most
    noise: dict[str, float]  # of each component's suspicion, a factor


class OracleModel:
    """A chat model for one incident. ``temperature`` 0 is the shortest way and no noise; 1 is for training."""

    rendering = ALIASES
    identity = ModelIdentity("oracle", "1")

    def __init__(self, truth: Truth, view: View, seed: int = 0, temperature: float = 1.0) -> None:
        self._view = view
        self._rendering = rendering_of(ALIASES, view)
        naming = self._rendering.naming
        self._healthy = not truth.causes
        self._true: dict[str, Fault] = {}
        for cause in truth.causes:
            word = naming.of(collapse(cause.component, truth, view.graph))
            if word in naming.meant:  # of whom the graph knows nothing there is nothing to say
                self._true.setdefault(word, cause.fault)
        self._chance = [seed, *view.incident.id.encode()]
        self._way = _drawn(np.random.default_rng(self._chance), temperature, sorted(naming.meant))
        self._temperature = temperature
        self._opened: set[str] = set()

    async def reply(self, requests: Sequence[ChatRequest], timeout_s: float) -> list[ChatReply]:
        """One move for each frame; it waits for nothing."""
        return [self._move(request) for request in requests]

    def _move(self, request: ChatRequest) -> ChatReply:
        reading = read(request.messages)
        return self._root_move(reading, request) if reading.root else self._child_move(reading, request)

    def _root_move(self, reading: Reading, request: ChatRequest) -> ChatReply:
        if not self._settled(reading) and (tool := self._next_anywhere(reading, request)):
            return _call(tool, component=WHOLE_SYSTEM)
        if INVESTIGATE in request.allowed and (targets := self._targets(reading)):
            self._opened.update(targets)
            return _call(INVESTIGATE, components=targets)
        if towards := self._towards_the_truth(reading, request.allowed):
            return towards
        return _call(PRINT_RESULTS, causes=[self._cause(reading, c) for c in self._answer(reading)])

    def _next_anywhere(self, reading: Reading, request: ChatRequest) -> str | None:
        """The signal that is searched next, of those that the question says were recorded."""
        question = next(m.content for m in request.messages if m.role == "user")
        there = next((line.split()[1:] for line in question.splitlines() if line.startswith("signals ")), [])
        for tool in self._in_order(reading, None):
            if SIGNAL_OF[tool].value in there and tool in request.allowed and not reading.called(tool, WHOLE_SYSTEM):
                return tool
        return None

    def _in_order(self, reading: Reading, component: str | None) -> tuple[str, ...]:
        """Traces and metrics first; what fails is looked for in logs before it is in metrics."""
        if fails_rather_than_slows(reading, component):
            return SEARCH_TRACES, SEARCH_LOGS, SEARCH_METRICS, SEARCH_CHANGES
        if self._way.metrics_first:
            return SEARCH_METRICS, SEARCH_TRACES, SEARCH_LOGS, SEARCH_CHANGES
        return SEARCH_TRACES, SEARCH_METRICS, SEARCH_LOGS, SEARCH_CHANGES

    def _settled(self, reading: Reading) -> bool:
        """Whether no other signal is worth asking: somebody was found guilty, or one clearly stands out, rightly."""
        if any(verdict.guilty for verdict in reading.verdicts.values()):
            return True
        if not self._way.brisk or len(reading.calls) < 2:
            return False
        best, *others = [*self._ranked(reading), "", ""][:2]
        return best in self._true and _clear(suspicions(reading), best, others[0])

    def _ranked(self, reading: Reading) -> list[str]:
        """Components by suspicion as it is felt today."""
        felt = {c: s * self._way.noise.get(c, 1.0) for c, s in suspicions(reading).items() if s > 0}
        return sorted(felt, key=lambda c: (-felt[c], c[0], int(c[1:])))

    def _supported(self, reading: Reading) -> list[str]:
        """True components against which a row or a verdict on this page speaks, the most suspect first."""
        felt = suspicions(reading)
        guilty = {c for c, verdict in reading.verdicts.items() if verdict.guilty}
        told = [c for c in self._true if c in guilty or speaking(reading, c)]
        return sorted(told, key=lambda c: -felt.get(c, 0.0))

    def _targets(self, reading: Reading) -> list[str]:
        """Whom to look into now; nobody where that was done."""
        asked = {t for tool, targets in reading.calls if tool == INVESTIGATE for t in targets}
        true = [c for c in self._supported(reading) if c not in asked]
        ranked = self._ranked(reading)
        felt = suspicions(reading)
        plausible = [c for c in ranked if c not in asked and felt[c] >= _PLAUSIBLE * felt[ranked[0]]]
        others = [c for c in plausible if c not in self._true]
        if asked:
            return [*true, *others[:1]][:MAX_TARGETS] if true else []
        if others and (self._way.wrong_first or not true):
            return others[: max(1, self._way.company)]
        alone = len(ranked) < 2 or _clear(felt, ranked[0], ranked[1])
        chosen = [*true, *others[: 0 if alone and true else self._way.company]][:MAX_TARGETS]
        boosted = {c: self._way.noise.get(c, 1.0) * felt.get(c, 0.0) * (_TRUE if c in true else 1.0) for c in chosen}
        return sorted(chosen, key=lambda c: -boosted[c])

    def _towards_the_truth(self, reading: Reading, allowed: Sequence[str]) -> ChatReply | None:
        """Where no row speaks against the truth: the search of somebody suspect whose page shows one, if any does."""
        hidden = [c for c in self._true if not speaking(reading, c) and c not in self._opened]
        followed = sum(tool in SIGNAL_OF and targets != (WHOLE_SYSTEM,) for tool, targets in reading.calls)
        if not hidden or followed >= _FOLLOWED:
            return None
        for component in self._ranked(reading)[:MAX_TARGETS]:
            for tool in (SEARCH_TRACES, SEARCH_METRICS, SEARCH_LOGS):
                if tool in allowed and not reading.called(tool, component) and self._shows(tool, component, hidden):
                    return _call(tool, component=component)
        return None

    def _shows(self, tool: str, component: str, hidden: Sequence[str]) -> bool:
        """Whether a component's page of a signal has a row about somebody."""
        naming = self._rendering.naming
        shown = search(self._view, self._rendering, SIGNAL_OF[tool], naming.meant[component]).rows
        owners = {self._view.graph.owner(e.component) for e in self._view.evidence if e.id in shown}
        return any(naming.meant[c] in owners for c in hidden)

    def _answer(self, reading: Reading) -> list[str]:
        """The truth first if anything on the page supports it; then the others by suspicion. Without it, only few.
        Where nothing was wrong, nobody: a model says so by proving nothing about the component that it is asked of.
        """
        if self._healthy:
            return [reading.component]
        true, felt = self._supported(reading), suspicions(reading)
        others = [c for c in self._ranked(reading) if c not in true]
        least = (_WORTH_TELLING if true else _AS_LIKELY) * max((felt[c] for c in others), default=0.0)
        told = [*true, *(c for c in others if felt[c] >= least)]
        return told[:MAX_CAUSES] or [reading.component]

    def _cause(self, reading: Reading, component: str) -> dict[str, object]:
        verdict = reading.verdicts.get(component)
        if verdict is not None and verdict.guilty:
            return {"component": component, "fault": verdict.fault, "rows": list(verdict.rows)}
        rows = [] if self._healthy else proof(reading, component)
        fault = named_fault(rows, self._true.get(component))
        return {"component": component, "fault": fault.value, "rows": [row.id for row in rows]}

    def _child_move(self, reading: Reading, request: ChatRequest) -> ChatReply:
        chance = np.random.default_rng([*self._chance, *reading.component.encode()])
        bold = self._temperature > 0 and bool(chance.random() < 0.3)
        for tool in self._in_order(reading, reading.component):
            asked = reading.called(tool, reading.component)
            if tool in request.allowed and not asked and _worth_asking(tool, reading, bold):
                return _call(tool, component=reading.component)
        if INVESTIGATE in request.allowed and (below := self._below(reading)):
            self._opened.update(below)
            return _call(INVESTIGATE, components=below)
        return self._verdict(reading)

    def _below(self, reading: Reading) -> list[str]:
        """True neighbours that a child's page speaks against and that nobody looks into yet."""
        if reading.component in self._true:
            return []
        return [c for c in self._supported(reading) if c not in self._opened][:MAX_TARGETS]

    def _verdict(self, reading: Reading) -> ChatReply:
        rows = proof(reading, reading.component)
        if not rows or reading.component not in self._true:
            return _call(REPORT_VERDICT, guilty=False, fault=Fault.UNKNOWN.value, rows=[])
        fault = named_fault(rows, self._true[reading.component])
        return _call(REPORT_VERDICT, guilty=True, fault=fault.value, rows=[row.id for row in rows])


def _worth_asking(tool: str, reading: Reading, bold: bool) -> bool:
    """Whether a signal may still change the verdict on a component, by what its page shows so far."""
    felt, below = suspicions(reading).get(reading.component, 0.0), explained_below(reading)
    asked = sum(called in SIGNAL_OF for called, _ in reading.calls)
    if reading.component.startswith("n"):
        return tool == SEARCH_METRICS or (tool == SEARCH_TRACES and felt <= 0)
    if asked < 2:
        return True
    if tool == SEARCH_CHANGES:
        return felt >= _OWN_TROUBLE and not bold
    return below <= felt < _CLEAR or (not bold and felt < _CLEAR)


def _clear(felt: dict[str, float], best: str, second: str) -> bool:
    """Whether one component stands out so far that nobody would look at another."""
    return felt.get(best, 0.0) >= max(_CLEAR, _CLEARLY_MORE * felt.get(second, 0.0))


def _drawn(rng: np.random.Generator, temperature: float, components: Sequence[str]) -> _Way:
    happens = temperature * rng.random(4)  # nothing out of the ordinary happens at 0
    factors = np.exp(0.2 * temperature * rng.standard_normal(len(components)))
    return _Way(
        metrics_first=bool(happens[0] > 0.85),
        brisk=bool(happens[1] < 0.6),
        wrong_first=bool(happens[2] > 0.9),
        company=1 + int(happens[3] * 3) if temperature else 1,
        noise=dict(zip(components, factors.tolist(), strict=True)),
    )


def _call(tool: str, **arguments: object) -> ChatReply:
    return ChatReply(call_name=tool, call_arguments=json.dumps(arguments))
