"""What every engine is made to do: write greedily on from prompts, with no grammar in the way."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Prompts = Sequence[Sequence[int]]
"""Token ids of prompts, all of one length."""

Write = Callable[[Prompts, int], list[list[int]]]
"""So many new tokens for each prompt, nothing kept from an earlier call."""

State = TypeVar("State")

Logits = NDArray[np.floating]
"""Of the last position: sequences × vocabulary."""


def by_steps(step: Callable[[NDArray[np.int64], State | None], tuple[Logits, State]]) -> Write:
    """Write with an engine that is asked token by token: ids (sequences × tokens) and what it kept, None at first."""

    def write(prompts: Prompts, new: int) -> list[list[int]]:
        ids, state, written = np.array(prompts, np.int64), None, list[NDArray[np.int64]]()
        for _ in range(new):
            logits, state = step(ids, state)
            written.append(logits.argmax(-1))
            ids = written[-1][:, None]
        return np.stack(written, 1).tolist()

    return write
