"""A model's directory with weights drawn by chance, of a shape that vLLM computes on a processor."""

from dataclasses import replace
from pathlib import Path

from model_store.train.export import Origin, export
from tests.llm.embedded.nets import SPEAKING, config, weights

SHAPE = replace(SPEAKING, hidden=128, layers=4, heads=2, intermediate=256, head=64)


def write_drawn(directory: Path) -> Path:
    """The directory. The scale is large enough that moves depend on the prompt; the seed is one that opens frames."""
    export(directory, config(SHAPE), weights(SHAPE, seed=5, scale=0.2), Origin("drawn", "1", recipe="chance"))
    return directory
