"""The order in which a pool is gone through: anew for every pass, and the same for the same seed."""

import numpy as np


def places(size: int, first: int, count: int, seed: int) -> list[int]:
    """The places in a pool of what comes as number ``first`` and the ``count`` − 1 after it, of an endless row in which
    every pass over the pool has an order of its own.
    """
    chosen: list[int] = []
    while len(chosen) < count:
        turn, begin = divmod(first + len(chosen), size)
        order = np.random.default_rng([seed, turn]).permutation(size)
        chosen += order[begin : begin + count - len(chosen)].tolist()
    return chosen
