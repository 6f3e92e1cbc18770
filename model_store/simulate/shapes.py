"""Who calls whom: a way from the entry to every service, and a few more."""

import numpy as np

from model_store.simulate.families import Shape

Calls = tuple[tuple[int, ...], ...]


def draw_calls(rng: np.random.Generator, leaf: tuple[bool, ...], shape: Shape) -> Calls:
    """For each service its callees, of higher numbers. What is a leaf calls nobody; the entry, service 0, calls no
    leaf where another service can.
    """
    calls: list[set[int]] = [set() for _ in leaf]
    inner = [s for s, is_leaf in enumerate(leaf) if not is_leaf]
    for callee in range(1, len(leaf)):
        callers = [s for s in inner if s < callee and (not leaf[callee] or s > 0)] or [0]
        weights = _weights(shape, callers, calls, len(inner))
        calls[callers[int(rng.choice(len(callers), p=weights / weights.sum()))]].add(callee)
    stores = [s for s, is_leaf in enumerate(leaf) if is_leaf]
    shared = float(rng.choice([0.0, 0.3, 0.7, 1.0]))
    more = round(len(inner) * float(rng.uniform(0.1, 2.0))) if shape is not Shape.CHAIN else 1
    crossing = [(int(rng.choice(inner)), int(rng.integers(len(leaf)))) for _ in range(more)]
    crossing += [(caller, int(rng.choice(stores))) for caller in inner if stores and rng.random() < shared]
    for caller, callee in crossing:
        if caller < callee and (caller > 0 or not leaf[callee]):
            calls[caller].add(callee)
    return tuple(tuple(rng.permutation(sorted(callees)).tolist()) for callees in calls)


def _weights(shape: Shape, callers: list[int], calls: list[set[int]], inner: int) -> np.ndarray:
    """How likely each of the possible callers is taken."""
    few = np.array([1 / (1 + len(calls[s])) for s in callers])
    place = np.array(callers)
    match shape:
        case Shape.TREE | Shape.EVENTS:
            return few
        case Shape.CHAIN:
            return np.where(place >= place.max() - 1, 50.0, 0.5) * few
        case Shape.HUB:
            return np.where((place > 0) & (place <= 1 + inner // 12), 50.0, 1.0)
        case Shape.TIERS:
            width = max(2, round(inner**0.6))
            tier = (place + width - 1) // width
            return np.where(tier == tier.max() - (1 if tier.max() > 1 else 0), 20.0, 1.0) * few
