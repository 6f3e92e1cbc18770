"""How the next token is chosen among those that the grammar allows."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from service.llm.embedded.network import Floats, Ids

Pick = Callable[[Floats], int]
"""The place of the chosen token among these logits."""


class Choice(Protocol):
    """A way to choose, for one move after the other."""

    def begin(self, prompt: Ids) -> Pick:
        """The way to choose the tokens of one move that answers a prompt."""
        ...


class Greedy:
    """Always the likeliest, of equals the one with the lowest id."""

    def begin(self, prompt: Ids) -> Pick:
        """The same for every prompt."""
        return lambda logits: int(logits.argmax())


class Sampling:
    """By their probabilities at a temperature above 0.

    The chance of a move depends on nothing but the seed, its prompt and how often that prompt was asked before, so how
    requests are batched and ordered changes nothing. It counts every prompt: take a new one, with another seed, for
    every step of a training.
    """

    def __init__(self, temperature: float, seed: int) -> None:
        if temperature <= 0:
            raise ValueError(f"temperature {temperature} is not above 0: greedy choice is `Greedy`")
        self._temperature = np.float32(temperature)
        self._seed = seed
        self._asked: dict[bytes, int] = {}

    def begin(self, prompt: Ids) -> Pick:
        """The chance of this move."""
        key = prompt.tobytes()
        time = self._asked.get(key, 0)
        self._asked[key] = time + 1
        chance = np.random.default_rng([self._seed, time, *prompt.tolist()])
        return lambda logits: self._drawn(logits, chance.random())

    def _drawn(self, logits: Floats, chance: float) -> int:
        weights = np.exp((logits - logits.max()) / self._temperature).astype(np.float64)
        bounds: NDArray[np.float64] = np.cumsum(weights)
        return min(int(np.count_nonzero(bounds <= chance * bounds[-1])), len(bounds) - 1)
