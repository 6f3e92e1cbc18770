"""Networks with weights drawn by chance: what holds of them holds of a trained one."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from model_store.train.export import Origin, export
from service.domain.localization import ModelIdentity
from service.llm.embedded.choice import Choice
from service.llm.embedded.engine import MEMORY_BYTES, EmbeddedModel
from service.llm.embedded.network import Floats, Network, Shape
from tests.llm.embedded.talk import vocabulary

SMALL = Shape(vocabulary=60, hidden=48, layers=3, heads=2, intermediate=80, context=512)


def weights(shape: Shape = SMALL, seed: int = 1, scale: float = 0.3) -> dict[str, Floats]:
    """Weights of a shape by their names: large enough that attention looks at something."""
    rng = np.random.default_rng(seed)
    return {
        name: (rng.normal(0 if len(size) > 1 else 1, scale, size)).astype(np.float32)
        for name, size in shape.weights().items()
    }


def network(shape: Shape = SMALL, seed: int = 1) -> Network:
    """A network of a shape."""
    return Network(shape, weights(shape, seed))


SPEAKING = Shape(vocabulary().size, hidden=32, layers=2, heads=1, intermediate=48, context=2048, head=32)
"""A small network over the vocabulary that training makes."""


def speaking(seed: int = 1, context: int = 2048) -> Network:
    """A network of that shape."""
    return network(replace(SPEAKING, context=context), seed)


def model(
    seed: int = 1, choose: Choice | None = None, *, context: int = 2048, memory_bytes: int = MEMORY_BYTES
) -> EmbeddedModel:
    """An engine over such a network."""
    identity = ModelIdentity("by chance", str(seed))
    return EmbeddedModel(speaking(seed, context), vocabulary(), identity, choose, memory_bytes)


def write_directory(directory: Path, seed: int = 1, name: str = "small", version: str = "3") -> Path:
    """A model's directory as training leaves it, with weights drawn by chance."""
    shape = SPEAKING
    export(directory, config(shape), weights(shape, seed), Origin(name, version, recipe="chance", seeds={"all": seed}))
    return directory


def config(shape: Shape) -> dict[str, object]:
    """The ``config.json`` of a shape."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.heads,
        "head_dim": shape.head,
        "intermediate_size": shape.intermediate,
        "max_position_embeddings": shape.context,
        "rms_norm_eps": shape.eps,
        "rope_theta": shape.theta,
        "hidden_act": "silu",
        "tie_word_embeddings": True,
    }
