"""Moves being written, several at once: the network is asked only where the grammar leaves a choice."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from service.llm.embedded.choice import Pick
from service.llm.embedded.grammar import State
from service.llm.embedded.network import Fed, Floats, Ids, Network, Past

TOKENS_AT_ONCE: Final = 512
"""New tokens in one forward pass: fast products need a few hundred, and the time between two looks at the clock and
the memory of activations grow with it.
"""


@dataclass(slots=True)
class Draft:
    """A move being written. What is forced is written at once and fed to the network together with what follows it."""

    prompt: Ids
    past: Past
    state: State
    pick: Pick
    limit: int  # tokens that may be written
    written: list[int] = field(default_factory=list[int])

    @property
    def ended(self) -> bool:
        """Whether nothing more is to be written; without ``state.done`` it was cut off."""
        return self.state.done or len(self.written) >= self.limit

    def write_forced(self) -> None:
        """Write on as long as there is no choice."""
        while not self.ended and len(allowed := self.state.allowed()) == 1:
            self._write(int(allowed[0]))

    def write(self, logits: Callable[[Ids], Floats]) -> None:
        """Choose the next token by the logits of those allowed."""
        allowed = self.state.allowed()
        self._write(int(allowed[self.pick(logits(allowed))]))

    def ids(self) -> Ids:
        """Prompt and what is written."""
        return np.append(self.prompt, np.array(self.written, self.prompt.dtype))

    def unfed(self) -> Sequence[int]:
        """The tokens that the network has not seen yet."""
        known = self.past.length
        if known >= len(self.prompt):
            return self.written[known - len(self.prompt) :]
        return [*self.prompt[known:].tolist(), *self.written]

    def _write(self, token: int) -> None:
        self.written.append(token)
        self.state = self.state.advance(token)


def write(network: Network, drafts: Sequence[Draft], check: Callable[[], None]) -> None:
    """Write all drafts to their ends, together. ``check`` is called before every forward pass; what it raises goes
    through, and the drafts are then good for nothing.
    """
    for draft in drafts:
        draft.write_forced()
    while writing := [draft for draft in drafts if not draft.ended]:
        for draft, said in zip(writing, _said(network, writing, check), strict=True):
            draft.write(lambda ids, said=said: network.logits(said, ids))
            draft.write_forced()


def _said(network: Network, drafts: Iterable[Draft], check: Callable[[], None]) -> Iterator[Floats]:
    """What the last position of each draft says, after feeding all that is new in few forward passes."""
    for batch in _batches((draft.past, draft.unfed()) for draft in drafts):
        check()
        yield from network.forward(batch)


def _batches(all_fed: Iterable[Fed]) -> Iterator[list[Fed]]:
    """In order, about so many tokens at once; a sequence goes whole."""
    batch, tokens = list[Fed](), 0
    for fed in all_fed:
        if batch and tokens + len(fed[1]) > TOKENS_AT_ONCE:
            yield batch
            batch, tokens = [], 0
        batch.append(fed)
        tokens += len(fed[1])
    if batch:
        yield batch
