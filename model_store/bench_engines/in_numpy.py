"""Our own engine: `service.llm.embedded`."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model_store.bench_engines.writing import Logits, Write, by_steps
from service.llm.embedded.network import Past
from service.llm.embedded.weights import read_network


def load(directory: Path, _: Path, threads: int) -> Write:
    """The directory as the service reads it; the threads of BLAS are set by the environment."""
    network = read_network(directory)
    every = slice(None)

    def step(ids: NDArray[np.int64], pasts: list[Past] | None) -> tuple[Logits, list[Past]]:
        pasts = pasts or [network.past(ids.shape[1] + 64) for _ in ids]
        said = network.forward([(past, new.tolist()) for past, new in zip(pasts, ids, strict=True)])
        return np.stack([network.logits(last, every) for last in said]), pasts

    return by_steps(step)
