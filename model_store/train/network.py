"""The embedded model's decoder in PyTorch: Llama as Hugging Face has it, with the names of its weights.

RMSNorm, rotary positions in the half-rotation layout, SwiGLU, no biases, the output tied to the embedding. Weights are
``[out, in]``. Shapes in comments: B sequences, T tokens, D hidden, H heads, E size of a head, V vocabulary.
What is not covered: dropout, grouped queries, caches (the service has its own forward pass for that).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

HEAD_SIZE = 64
NORM_EPSILON = 1e-5
ROPE_BASE = 10_000.0
INITIAL_STD = 0.02


@dataclass(frozen=True, slots=True)
class Shape:
    """How large a network is."""

    vocabulary: int
    hidden: int = 256
    layers: int = 6
    heads: int = 4
    intermediate: int = 704
    context: int = 2048

    def config(self) -> dict[str, object]:
        """The fields of a Hugging Face ``config.json`` that follow from the shape."""
        return {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "vocab_size": self.vocabulary,
            "hidden_size": self.hidden,
            "intermediate_size": self.intermediate,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.heads,
            "head_dim": HEAD_SIZE,
            "hidden_act": "silu",
            "max_position_embeddings": self.context,
            "rms_norm_eps": NORM_EPSILON,
            "rope_theta": ROPE_BASE,
            "attention_bias": False,
            "mlp_bias": False,
            "tie_word_embeddings": True,
            "torch_dtype": "float32",
        }


class Llama(nn.Module):
    """Ids in, hidden states of the last layer out; `logits` turns those that are wanted into scores of tokens."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.model = _Decoder(shape)

    def forward(self, ids: Tensor) -> Tensor:
        """Hidden states ``[B, T, D]`` of right-padded ``ids [B, T]``. What stands right of a token cannot reach it, so
        that padding needs no mask; states at padding mean nothing.
        """
        return self.model(ids)

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores of the next token, ``[…, D] → […, V]``."""
        return functional.linear(hidden, self.model.embed_tokens.weight)

    def initialize(self, generator: torch.Generator) -> "Llama":
        """Draw all weights anew: normal, smaller where a residual stream is written, so that depth adds no variance."""
        writes_residual = ("o_proj.weight", "down_proj.weight")
        with torch.no_grad():
            for name, weight in self.named_parameters():
                if weight.ndim == 1:
                    weight.fill_(1.0)
                else:
                    scale = (2 * self.shape.layers) ** -0.5 if name.endswith(writes_residual) else 1.0
                    weight.normal_(0.0, INITIAL_STD * scale, generator=generator)
        return self

    def parameter_count(self) -> int:
        """How many numbers are learned."""
        return sum(weight.numel() for weight in self.parameters())


class _Decoder(nn.Module):
    cos: Tensor
    sin: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(shape.vocabulary, shape.hidden)
        self.layers = nn.ModuleList(_Layer(shape) for _ in range(shape.layers))
        self.norm = _norm(shape.hidden)
        cos, sin = rotations(shape.context)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        length = ids.shape[1]
        cos, sin = self.cos[:length], self.sin[:length]
        hidden = self.embed_tokens(ids)
        for layer in self.layers:
            hidden = layer(hidden, cos, sin)
        return self.norm(hidden)


class _Layer(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.input_layernorm = _norm(shape.hidden)
        self.self_attn = _Attention(shape)
        self.post_attention_layernorm = _norm(shape.hidden)
        self.mlp = _FeedForward(shape)

    def forward(self, hidden: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        hidden = hidden + self.self_attn(self.input_layernorm(hidden), cos, sin)
        return hidden + self.mlp(self.post_attention_layernorm(hidden))


class _Attention(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        width = shape.heads * HEAD_SIZE
        self.q_proj = nn.Linear(shape.hidden, width, bias=False)
        self.k_proj = nn.Linear(shape.hidden, width, bias=False)
        self.v_proj = nn.Linear(shape.hidden, width, bias=False)
        self.o_proj = nn.Linear(width, shape.hidden, bias=False)

    def forward(self, hidden: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        batch, length, _ = hidden.shape
        by_head = (batch, length, self.heads, HEAD_SIZE)
        q = rotated(self.q_proj(hidden).view(by_head).transpose(1, 2), cos, sin)  # B H T E
        k = rotated(self.k_proj(hidden).view(by_head).transpose(1, 2), cos, sin)
        v = self.v_proj(hidden).view(by_head).transpose(1, 2)
        read = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o_proj(read.transpose(1, 2).reshape(batch, length, -1))


class _FeedForward(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.hidden, shape.intermediate, bias=False)
        self.up_proj = nn.Linear(shape.hidden, shape.intermediate, bias=False)
        self.down_proj = nn.Linear(shape.intermediate, shape.hidden, bias=False)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.down_proj(functional.silu(self.gate_proj(hidden)) * self.up_proj(hidden))


def _norm(hidden: int) -> nn.RMSNorm:
    return nn.RMSNorm(hidden, eps=NORM_EPSILON)


def rotations(length: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines ``[T, E]`` of the rotary positions; the second half of a head turns like the first."""
    frequencies = ROPE_BASE ** (-torch.arange(0, HEAD_SIZE, 2, dtype=torch.float32) / HEAD_SIZE)
    angles = torch.outer(torch.arange(length, dtype=torch.float32), frequencies)
    angles = torch.cat((angles, angles), dim=1)
    return angles.cos(), angles.sin()


def rotated(heads: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn queries or keys ``[B, H, T, E]`` by their positions."""
    first, second = heads.chunk(2, dim=-1)
    return heads * cos + torch.cat((-second, first), dim=-1) * sin
