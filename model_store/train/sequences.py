"""What is trained on: a frame as the token ids that a model read and wrote."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True, eq=False)
class Sequence:
    """One frame, T tokens long, of which the model wrote N: its completions, ``<|end|>`` included.

    ``own[t]`` says that ``ids[t]`` was written by the model; everything else is masked from every loss. ``allowed[k]``
    are the ids that the grammar left at the k-th own position, ascending, the written one among them.
    ``behaviour_logprobs[k]`` is what the k-th was sampled with; None where an oracle wrote it.
    """

    ids: npt.NDArray[np.int32]  # T
    own: npt.NDArray[np.bool_]  # T
    allowed: list[npt.NDArray[np.int32]]  # N arrays
    incident: str
    frame: int
    is_root: bool
    behaviour_logprobs: npt.NDArray[np.float32] | None = None  # N
