"""The network that is trained, in PyTorch: with keys and values kept, or computing everything anew for each token."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from model_store.bench_engines.writing import Logits, Write, by_steps
from model_store.train.network import HEAD_SIZE, NORM_EPSILON, Llama, Shape, rotated, rotations
from service.llm.embedded.weights import read_network
from service.llm.model_files import WEIGHTS


def load(directory: Path, _: Path, threads: int) -> Write:
    """With keys and values kept."""
    torch.set_num_threads(threads)
    network = Cached(read(directory))

    def step(ids: NDArray[np.int64], past: Tensor | None) -> tuple[Logits, Tensor]:
        with torch.inference_mode():
            logits, kept = network(torch.from_numpy(ids), network.nothing(len(ids)) if past is None else past)
        return logits.numpy(), kept

    return by_steps(step)


def load_without_cache(directory: Path, _: Path, threads: int) -> Write:
    """Everything anew for each token, as training computes it."""
    torch.set_num_threads(threads)
    network = read(directory)

    def step(ids: NDArray[np.int64], before: Tensor | None) -> tuple[Logits, Tensor]:
        new = torch.from_numpy(ids)
        whole = new if before is None else torch.cat((before, new), 1)
        with torch.inference_mode():
            return network.logits(network(whole)[:, -1]).numpy(), whole

    return by_steps(step)


def read(directory: Path) -> Llama:
    """The network of a model's directory."""
    told = read_network(directory).shape
    shape = Shape(told.vocabulary, told.hidden, told.layers, told.heads, told.intermediate, told.context)
    network = Llama(shape)
    network.load_state_dict({name: weight.float() for name, weight in load_file(directory / WEIGHTS).items()})
    return network.eval()


class Cached(nn.Module):
    """`Llama` that keeps keys and values: ids ``[B, T]`` and past ``[L, 2, B, H, P, E]`` in; the logits of the last
    position ``[B, V]`` and the past of P + T tokens out.
    """

    cos: Tensor
    sin: Tensor

    def __init__(self, network: Llama) -> None:
        super().__init__()
        self.network: Any = network
        cos, sin = rotations(network.shape.context)
        self.register_buffer("cos", cos)
        self.register_buffer("sin", sin)

    def nothing(self, batch: int) -> Tensor:
        """The past of sequences that have not begun."""
        return torch.zeros(self.network.shape.layers, 2, batch, self.network.shape.heads, 0, HEAD_SIZE)

    def forward(self, ids: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and past."""
        begin, end = past.shape[4], past.shape[4] + ids.shape[1]
        cos, sin = self.cos[begin:end], self.sin[begin:end]
        places = torch.arange(end)
        future = (places[None, :] > places[begin:, None]).float() * -1e9
        hidden, kept = self.network.model.embed_tokens(ids), []
        for number, layer in enumerate(self.network.model.layers):
            read, both = _attended(
                layer.self_attn, _normed(layer.input_layernorm, hidden), cos, sin, future, past[number]
            )
            hidden = hidden + read
            hidden = hidden + layer.mlp(_normed(layer.post_attention_layernorm, hidden))
            kept.append(both)
        return self.network.logits(_normed(self.network.model.norm, hidden[:, -1])), torch.stack(kept)


def _normed(norm: nn.RMSNorm, hidden: Tensor) -> Tensor:
    """RMSNorm in operations that every graph format has."""
    return hidden * torch.rsqrt(hidden.square().mean(-1, keepdim=True) + NORM_EPSILON) * norm.weight


def _attended(
    attention: Any, hidden: Tensor, cos: Tensor, sin: Tensor, future: Tensor, past: Tensor
) -> tuple[Tensor, Tensor]:
    batch, length = hidden.shape[0], hidden.shape[1]
    by_head = (batch, length, attention.heads, HEAD_SIZE)
    q = rotated(attention.q_proj(hidden).view(by_head).transpose(1, 2), cos, sin)
    k = rotated(attention.k_proj(hidden).view(by_head).transpose(1, 2), cos, sin)
    v = attention.v_proj(hidden).view(by_head).transpose(1, 2)
    both = torch.cat((past, torch.stack((k, v))), 3)
    scores = (q @ both[0].transpose(2, 3)) * HEAD_SIZE**-0.5 + future
    read = scores.softmax(-1) @ both[1]
    return attention.o_proj(read.transpose(1, 2).reshape(batch, length, attention.heads * HEAD_SIZE)), both
