"""What a trainer eats: one sequence of token ids a frame, exactly those that the engine saw and wrote."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Sequence:
    """One frame as arrays: ``ids`` [T], ``own`` [T] tells which of them the model wrote itself (its completions,
    ``<|end|>`` included), and ``allowed`` holds for each own position, in their order, the ids that the grammar left
    open there (ascending; the one written is among them). All else is masked from the loss. ``root`` is whether the
    frame is the incident's first; frames of one ``incident`` share its reward.
    """

    ids: NDArray[np.int32]
    own: NDArray[np.bool_]
    allowed: tuple[NDArray[np.int32], ...]
    incident: str
    frame: int
    root: bool
