"""Units as exporters write them."""

_BYTES = {"bytes": 1.0, "byte": 1.0, "b": 1.0, "by": 1.0}
_PREFIXES = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "ki": 2.0**10, "mi": 2.0**20, "gi": 2.0**30}
_PER_SECOND = {
    f"{prefix}{name}/s": times * size for prefix, times in _PREFIXES.items() for name, size in _BYTES.items()
}


def bytes_per_second(value: float, unit: str) -> float | None:
    """A rate of bytes in whatever unit; None if it is none."""
    size = _PER_SECOND.get(unit.lower())
    return None if size is None else value * size
