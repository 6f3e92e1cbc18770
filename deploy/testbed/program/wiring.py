"""Where a service finds its callees: the conductor writes it, each process reads it, and again when it has changed."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

LOOK_S = 0.5
"""How often a process looks whether it has changed."""


class Wiring(BaseModel):
    """Ports on 127.0.0.1. ``calls``: caller → callee → a port for each replica; ``stores``: caller → kind → port.

    All of them are ends of the proxy in the call path. ``collector`` takes OTLP over HTTP.
    """

    model_config = ConfigDict(frozen=True)
    calls: Mapping[str, Mapping[str, tuple[int, ...]]]
    stores: Mapping[str, Mapping[str, int]]
    collector: str


def read_wiring(path: Path) -> Wiring:
    """The wiring in a file."""
    return Wiring.model_validate_json(path.read_bytes())


def changed_at(path: Path) -> int:
    """When the wiring in a file was written: nanoseconds, to compare only."""
    return path.stat().st_mtime_ns
