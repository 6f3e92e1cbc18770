from collections import defaultdict
from collections.abc import Iterable, Mapping

Call = tuple[str, str]
"""Caller and callee."""


ROUNDING = 1e-9
"""Blame that differs by less is equal: in which order it was summed up must not decide."""


def blamed_ends(bad: Mapping[Call, float], seen: Iterable[Call], penalty: float) -> dict[Call, str]:
    """For each bad call (with its effect) the end that it is blamed on: the one more of whose calls are bad, else the
    callee. Of calls that were ``seen`` and are not bad each counts against its ends.

    A slow network at one pod, or a pod without cpu, shows on all its calls, in and out; the other ends have calls that
    are well.
    """
    largest = max(bad.values(), default=0.0) or 1.0
    blame: defaultdict[str, float] = defaultdict(float)
    for call in {*seen, *bad}:
        badness = bad.get(call, 0.0) / largest
        for end in call:
            blame[end] += badness - penalty * (1 - badness)
    return {(a, b): a if blame[a] > blame[b] + ROUNDING else b for a, b in bad}
