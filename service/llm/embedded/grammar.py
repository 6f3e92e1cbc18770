"""What the small model may write: the JSON of exactly one move, as an automaton over token ids.

The same automaton masks serving, sampling in training and the losses. A state costs a few microseconds: what is always
the same is computed once, and what depends on the frame is the aliases that stand in its own prompt: components, and of
each the rows that were shown about it, as no other row proves anything of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from service.domain.fault import Fault
from service.llm.embedded import pieces
from service.llm.embedded.pieces import RowsEnd
from service.llm.embedded.vocabulary import END, SPECIALS, Vocabulary

Ids = NDArray[np.int32]

LONGEST: Final = 2 + pieces.MAX_CAUSES * (4 + 2 * pieces.MAX_ROWS)
"""Tokens of the longest move, ``<|end|>`` included: every cause with all its rows."""


@dataclass(frozen=True, slots=True)
class State:
    """A place in a move that is being written."""

    _open: Ids
    _then: "Callable[[int], State]"

    def allowed(self) -> Ids:
        """The ids that may come next, ascending and not to be changed; none once the move has ended."""
        return self._open

    def advance(self, token: int) -> "State":
        """The place after one more token. Raises `ValueError` for one that is not allowed."""
        if token not in self._open:
            raise ValueError(f"token {token} is not among the {len(self._open)} that may come next")
        return self._then(int(token))

    @property
    def done(self) -> bool:
        """Whether the move has ended, with ``<|end|>``."""
        return not len(self._open)


Then = Callable[[int], State]
"""The place that a token leads to."""

About = Callable[[int], Ids]
"""The rows that were shown about a component."""


class Grammar:
    """The automaton of one vocabulary. Raises `SettingsError` where that has no token for a piece of a move."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._components = np.sort(np.concatenate([vocabulary.aliases["c"], vocabulary.aliases["n"]]))
        self._is_row = _among(vocabulary, vocabulary.aliases["e"])
        self._is_component = _among(vocabulary, self._components)
        self._ends_line = _among(vocabulary, _ids(vocabulary, "\n", *SPECIALS))
        self._opening = {tool: vocabulary.id(text) for tool, text in pieces.OPENING.items()}
        self._everywhere = _ids(vocabulary, pieces.EVERYWHERE)
        self._guilt = _ids(vocabulary, pieces.GUILTY, pieces.INNOCENT)
        self._fault = _ids(vocabulary, pieces.FAULT)
        self._faults = _ids(vocabulary, *(fault.value for fault in Fault))
        self._targets_end = _List(vocabulary, pieces.END_TARGETS)
        self._verdict_ends = _Rows(vocabulary, pieces.END_VERDICT)
        self._cause_ends = _Rows(vocabulary, pieces.NEXT_CAUSE, pieces.END_CAUSES)
        self._last_cause_ends = _Rows(vocabulary, pieces.END_CAUSES)
        self._another = frozenset(
            _ids(vocabulary, pieces.NEXT_CAUSE.after_rows, pieces.NEXT_CAUSE.without_rows).tolist()
        )
        self._end = State(_ids(vocabulary, END), lambda _: State(_NONE, _nothing))
        self._search_ends = State(_ids(vocabulary, pieces.END_SEARCH), lambda _: self._end)

    def start(self, allowed: Sequence[str], prompt_ids: Sequence[int] | Ids) -> State:
        """Where a move begins that calls one of the ``allowed`` tools and names only what stands in the prompt.

        Raises `ValueError` where no tool is allowed, or one that does not exist.
        """
        if not allowed or not self._opening.keys() >= set(allowed):
            raise ValueError(f"allowed are {', '.join(allowed) or 'no tools'}: there are {', '.join(self._opening)}")
        prompt = np.asarray(prompt_ids, np.int32)
        named = prompt[self._is_component[prompt]]
        # A frame always names a component: it lies beyond the aliases that have a token. Any will do, none is it.
        named = named if len(named) else self._components[:1]
        about = self._about(prompt)
        begin = {self._opening[tool]: self._beginning(tool, named, about) for tool in allowed}
        return State(np.array(sorted(begin), np.int32), lambda tool: begin[tool]())

    def _about(self, prompt: Ids) -> About:
        """A row is about the components on its line: whose it is, both ends of a call, whom a verdict names with it."""
        line, is_row = np.cumsum(self._ends_line[prompt]), self._is_row[prompt]

        def about(component: int) -> Ids:
            return np.unique(prompt[is_row & np.isin(line, line[prompt == component])])

        return about

    def _beginning(self, tool: str, named: Ids, about: About) -> Callable[[], State]:
        components = np.unique(named)
        match tool:
            case pieces.INVESTIGATE:
                return lambda: self._target(components, 1)
            case pieces.REPORT_VERDICT:
                # The component that a frame is about is the first that its question names.
                return lambda: self._verdict(about(int(named[0])))
            case pieces.PRINT_RESULTS:
                return lambda: self._cause(components, about, 1)
            case _:
                return lambda: self._search(components)

    def _search(self, components: Ids) -> State:
        return State(np.sort(np.append(components, self._everywhere)), lambda _: self._search_ends)

    def _target(self, left: Ids, number: int) -> State:
        """One of the components that are left; then there may be another."""

        def after(target: int) -> State:
            rest = left[left != target]
            more = number < pieces.MAX_TARGETS and len(rest) > 0
            return self._targets_end.state(more, lambda: self._target(rest, number + 1), lambda _: self._end)

        return State(left, after)

    def _verdict(self, rows: Ids) -> State:
        proof = self._verdict_ends.state(rows, lambda _: self._end)
        fault = State(self._faults, lambda _: proof)
        return State(self._guilt, lambda _: fault)

    def _cause(self, left: Ids, about: About, number: int) -> State:
        """One of the components that are left, with fault and rows; then there may be another."""

        def after(component: int) -> State:
            rest = left[left != component]
            more = number < pieces.MAX_CAUSES and len(rest) > 0
            ends = self._cause_ends if more else self._last_cause_ends
            proof = ends.state(
                about(component),
                lambda end: self._cause(rest, about, number + 1) if end in self._another else self._end,
            )
            fault = State(self._faults, lambda _: proof)
            return State(self._fault, lambda _: fault)

        return State(left, after)


class _List:
    """What may follow an element of a list: one of its ends or, where there can be more, a comma."""

    def __init__(self, vocabulary: Vocabulary, *ends: str) -> None:
        self._comma = vocabulary.id(pieces.NEXT)
        self._ends = _ids(vocabulary, *ends)
        self._or_more = _ids(vocabulary, *ends, pieces.NEXT)

    def state(self, more: bool, another: Callable[[], State], then: Then) -> State:
        """The place after an element; ``then`` takes the end that is written."""
        if not more:
            return State(self._ends, then)
        return State(self._or_more, lambda token: another() if token == self._comma else then(token))


class _Rows:
    """The rows that prove a fault, none to `MAX_ROWS`, together with one of the ends that may follow."""

    def __init__(self, vocabulary: Vocabulary, *ends: RowsEnd) -> None:
        self._first = vocabulary.id(pieces.ROWS)
        self._none = _ids(vocabulary, *(end.without_rows for end in ends))
        self._any = _ids(vocabulary, pieces.ROWS, *(end.without_rows for end in ends))
        self._list = _List(vocabulary, *(end.after_rows for end in ends))

    def state(self, rows: Ids, then: Then) -> State:
        """The place after a fault, with these rows to choose from; ``then`` takes the end that is written."""
        if not len(rows):
            return State(self._none, then)
        return State(self._any, lambda token: self._row(rows, 1, then) if token == self._first else then(token))

    def _row(self, left: Ids, number: int, then: Then) -> State:
        def after(row: int) -> State:
            rest = left[left != row]
            more = number < pieces.MAX_ROWS and len(rest) > 0
            return self._list.state(more, lambda: self._row(rest, number + 1, then), then)

        return State(left, after)


def _among(vocabulary: Vocabulary, ids: Ids) -> NDArray[np.bool_]:
    """Of each id whether it is one of these."""
    there = np.zeros(vocabulary.size, np.bool_)
    there[ids] = True
    return there


def _ids(vocabulary: Vocabulary, *tokens: str) -> Ids:
    return np.array(sorted(vocabulary.id(token) for token in tokens), np.int32)


def _nothing(token: int) -> State:
    raise ValueError(f"token {token} comes after the end of the move")


_NONE: Final = np.zeros(0, np.int32)
