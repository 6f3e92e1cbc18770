"""What programs write when something is wrong: many ways to say the same."""

import numpy as np

EXCEPTIONS = (
    "unexpected exception while handling request {}: illegal state",
    "java.lang.NullPointerException: cannot invoke method on null reference, request {}",
    "failed to process item {}: KeyError: 'total'\nTraceback (most recent call last):\n  File \"handler.py\"",
    "panic recovered: index out of range [{}] with length 0",
    "request {} aborted: TypeError: undefined is not a function",
    "status code 500 for id {}: invalid operation",
)
EMPTY_RESULTS = (
    "no entries found for key {}, returning empty result",
    "lookup of {} gave nothing, using default",
    "partial answer for {}: fields missing",
)
LOCKS = (
    "waited {} ms for lock",
    "could not obtain lock on row in relation after {} ms",
    "pool exhausted, waited {} ms for a connection",
)
SLOW_WRITES = ("slow write: fsync took {} ms", "flush of segment took {} ms, longer than expected")
FULL_DISKS = (
    "write of {} bytes failed: No space left on device",
    "cannot append to log segment {}: disk quota exceeded",
)
CHRONIC = ("validation failed for record {}", "cache miss for {} after retry", "deprecated field in request {} ignored")
BAD_ANSWERS = ("answer has no field 'total' for {}", "cannot parse answer: unexpected end of input at {}")
RESTARTS = ("restarted, exit code 137", "restarted, exit code 1", "back-off restarting failed container")


def one_of(rng: np.random.Generator, texts: tuple[str, ...]) -> str:
    """A text."""
    return texts[int(rng.integers(len(texts)))]
