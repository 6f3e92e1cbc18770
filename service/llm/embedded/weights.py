"""A model's directory as Hugging Face lays it out: ``config.json`` and ``model.safetensors``, read for `Network`."""

from pathlib import Path
from typing import Annotated, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from safetensors import SafetensorError
from safetensors.numpy import load

from service.errors import SettingsError
from service.llm.embedded.network import Network, Shape
from service.llm.model_files import CONFIG, WEIGHTS

LARGEST_BYTES: Final = 1_000_000_000
"""A file beyond this is no model for two cores."""


def read_network(directory: Path) -> Network:
    """The network of a directory. Raises `SettingsError`, one line; checksums are `Manifest.check_files`'s business."""
    shape, file = read_shape(directory), directory / WEIGHTS
    try:
        return Network(shape, {name: weight.astype(np.float32) for name, weight in load(_content(file)).items()})
    except SafetensorError as error:
        raise SettingsError(f"{file}: is no safetensors file: {error}") from None
    except ValueError as error:
        raise SettingsError(f"{file}: does not fit {CONFIG}: {error}") from None


Size = Annotated[int, Field(ge=1, le=1_000_000)]


class _Rotation(BaseModel):
    model_config = ConfigDict(extra="ignore")
    rope_type: Literal["default"] = "default"
    rope_theta: float


class _Config(BaseModel):
    """What the forward pass depends on; the rest of the file is others' business."""

    model_config = ConfigDict(extra="ignore")
    model_type: Literal["llama"]
    hidden_act: Literal["silu"] = "silu"
    tie_word_embeddings: Literal[True]
    attention_bias: Literal[False] = False
    mlp_bias: Literal[False] = False
    rope_scaling: None = None
    vocab_size: Size
    hidden_size: Size
    num_hidden_layers: Size
    num_attention_heads: Size
    num_key_value_heads: Size
    head_dim: Annotated[int, Field(ge=2, le=1024, multiple_of=2)]
    intermediate_size: Size
    max_position_embeddings: Size
    rms_norm_eps: Annotated[float, Field(gt=0)]
    rope_theta: float | None = None
    rope_parameters: _Rotation | None = None

    @model_validator(mode="after")
    def _covered(self) -> "_Config":
        if self.num_key_value_heads != self.num_attention_heads:
            raise ValueError("num_key_value_heads must be num_attention_heads: grouped heads are not covered")
        if self.rope_theta is None and self.rope_parameters is None:
            raise ValueError("rope_theta is missing")
        return self

    @property
    def theta(self) -> float:
        """Where newer files keep it, or older ones."""
        return self.rope_parameters.rope_theta if self.rope_parameters is not None else self.rope_theta or 0.0


def read_shape(directory: Path) -> Shape:
    """The measures of a directory's network. Raises `SettingsError`, one line, for one that is not covered."""
    file = directory / CONFIG
    try:
        read = _Config.model_validate_json(_content(file))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise SettingsError(f"{file}: {where + ': ' if where else ''}{first['msg']}") from None
    return Shape(
        vocabulary=read.vocab_size,
        hidden=read.hidden_size,
        layers=read.num_hidden_layers,
        heads=read.num_attention_heads,
        intermediate=read.intermediate_size,
        context=read.max_position_embeddings,
        head=read.head_dim,
        eps=read.rms_norm_eps,
        theta=read.theta,
    )


def _content(file: Path) -> bytes:
    try:
        if file.stat().st_size > LARGEST_BYTES:
            raise SettingsError(f"{file}: is larger than {LARGEST_BYTES // 1_000_000} MB")
        return file.read_bytes()
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read: {error.strerror}") from None
