"""A Llama decoder in numpy: the forward pass for a ragged batch of sequences that keep their keys and values.

What several sequences have to compute is one matrix product over all their new tokens; only attention goes sequence by
sequence. The weights are Hugging Face's, rearranged once so that less has to be done per token, with the same result:

- the matrices of queries, keys and values are one, those of gate and up are one;
- the scales of the norms, the attention's 1/sqrt(head_dim) and the sign in SiLU(x) = x / (1 + exp(-x)) are
  multiplied into the matrices;
- the features of queries and keys are reordered so that the two that rotate together lie side by side: rotating is
  one multiplication of complex numbers (Hugging Face's layout has the partner half a head away).

Only the last position of each sequence is asked for, so the last layer computes nothing else but its keys and values.
Not covered: grouped heads, biases, scaled rotation, untied embeddings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ids = NDArray[np.int32]

GROWTH: Final = 128
"""Tokens by which the room of a sequence grows."""

AT_ONCE: Final = 128
"""Positions of a sequence that attend together: enough for fast products, few enough not to look at much future."""

_FUTURE: Final = np.triu(np.full((AT_ONCE, AT_ONCE), -np.inf, np.float32), 1)
"""Added to scores, so that among new positions none sees a later one."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of a network; ``vocabulary`` and ``context`` in tokens, the others in features or pieces."""

    vocabulary: int
    hidden: int
    layers: int
    heads: int
    intermediate: int
    context: int
    head: int = 64
    eps: float = 1e-5
    theta: float = 10_000.0

    @property
    def width(self) -> int:
        """Features of all heads together."""
        return self.heads * self.head

    @property
    def token_bytes(self) -> int:
        """What the keys and values of one token take."""
        return self.layers * 2 * self.width * 4

    def weights(self) -> dict[str, tuple[int, ...]]:
        """The tensors that a network of this shape has, by their names in Hugging Face's layout."""
        h, wide = self.hidden, self.intermediate
        layer: dict[str, tuple[int, ...]] = {
            "input_layernorm": (h,),
            **{f"self_attn.{part}_proj": (self.width, h) for part in "qkv"},
            "self_attn.o_proj": (h, self.width),
            "post_attention_layernorm": (h,),
            "mlp.gate_proj": (wide, h),
            "mlp.up_proj": (wide, h),
            "mlp.down_proj": (h, wide),
        }
        layers = {f"model.layers.{i}.{name}.weight": s for i in range(self.layers) for name, s in layer.items()}
        return {"model.embed_tokens.weight": (self.vocabulary, h), **layers, "model.norm.weight": (h,)}


@dataclass(frozen=True, slots=True)
class _Layer:
    """One block's matrices, features in × features out."""

    qkv: Floats
    out: Floats
    gate_up: Floats
    down: Floats


class Past:
    """The keys and values of one sequence's first ``length`` tokens; room for more is made as it grows."""

    __slots__ = ("_kept", "_shape", "length")

    def __init__(self, shape: Shape, room: int = GROWTH) -> None:
        self._shape = shape
        self._kept = self._empty(room)
        self.length = 0

    @property
    def bytes(self) -> int:
        """What it takes, room included."""
        return self._kept.nbytes

    def layer(self, number: int) -> Floats:
        """Keys and values of one layer: 2 × heads × room × features."""
        return self._kept[number]

    def make_room(self, tokens: int) -> None:
        """For that many tokens in all."""
        if tokens <= self._kept.shape[3]:
            return
        larger = self._empty(-(-tokens // GROWTH) * GROWTH)
        larger[:, :, :, : self.length] = self._kept[:, :, :, : self.length]
        self._kept = larger

    def _empty(self, room: int) -> Floats:
        shape = self._shape
        return np.empty((shape.layers, 2, shape.heads, room, shape.head), np.float32)


Fed = tuple[Past, Sequence[int]]
"""A sequence and the tokens that come next in it, at least one."""


class Network:
    """The forward pass. Raises `ValueError` where weights are missing or have another shape.

    ``generation`` counts how often weights were loaded: a past of an older generation means nothing to the new one.
    One thread at a time may use it; weights are not swapped while it computes.
    """

    def __init__(self, shape: Shape, weights: Mapping[str, Floats]) -> None:
        self.shape = shape
        self.generation = 0
        self._turns = _turns(shape)
        self.load_weights(weights)

    def load_weights(self, weights: Mapping[str, Floats]) -> None:
        """Take other weights of the same shape, by their names in Hugging Face's layout; pasts become worthless."""
        _check(self.shape, weights)
        embedding = np.array(weights["model.embed_tokens.weight"], np.float32, order="C")  # copied: see `_fed`
        self._layers = [_layer(self.shape, weights, i) for i in range(self.shape.layers)]
        self._embedding = embedding
        self._head: Floats = embedding * weights["model.norm.weight"]
        self.generation += 1

    def past(self, room: int = GROWTH) -> Past:
        """A sequence without tokens."""
        return Past(self.shape, room)

    def forward(self, batch: Sequence[Fed]) -> Floats:
        """Append tokens to sequences; what each last position says, sequences × hidden: see `logits`."""
        spans = _spans(batch)
        ids = np.concatenate([np.asarray(tokens, np.int32) for _, tokens in batch])
        turns = np.concatenate([self._turns[s.begin : s.end] for s in spans])[:, None, :]
        x = self._embedding[ids]
        with np.errstate(over="ignore"):  # exp(-x) in SiLU: infinity is right there
            for number, layer in enumerate(self._layers):
                x = self._block(layer, number, x, turns, spans, last=number == len(self._layers) - 1)
        for span in spans:
            span.past.length = span.end
        return _normed(x, self.shape.eps)

    def logits(self, said: Floats, ids: Ids | slice) -> Floats:
        """The logits of some tokens, or of a range of them, after one position (hidden), in their order."""
        said_of: Floats = self._head[ids] @ said
        return said_of

    def _block(
        self, layer: _Layer, number: int, x: Floats, turns: NDArray[np.complex64], spans: "list[_Span]", *, last: bool
    ) -> Floats:
        shape = self.shape
        qkv = _normed(x, shape.eps) @ layer.qkv
        turned = qkv[:, : 2 * shape.width].view(np.complex64).reshape(len(x), 2 * shape.heads, shape.head // 2)
        turned *= turns
        parts = qkv.reshape(len(x), 3, shape.heads, shape.head).transpose(1, 2, 0, 3)
        attended = _attend(parts, number, spans, last=last)
        if last:
            x = x[[span.stop - 1 for span in spans]]
        x += attended @ layer.out
        x += _gated(_normed(x, shape.eps) @ layer.gate_up) @ layer.down
        return x


@dataclass(frozen=True, slots=True)
class _Span:
    """Where one sequence's new tokens stand: rows ``start`` to ``stop`` of the batch, places ``begin`` to ``end`` of
    the sequence.
    """

    past: Past
    start: int
    stop: int
    begin: int
    end: int


def _spans(batch: Sequence[Fed]) -> list[_Span]:
    spans: list[_Span] = []
    start = 0
    for past, tokens in batch:
        new = len(tokens)
        spans.append(_Span(past, start, start + new, past.length, past.length + new))
        past.make_room(past.length + new)
        start += new
    return spans


def _attend(parts: Floats, number: int, spans: list[_Span], *, last: bool) -> Floats:
    """Keep the new keys and values (``parts``: 3 × heads × rows × features) and attend; rows × width, of the last
    rows only where nothing else is needed.
    """
    _, heads, rows, features = parts.shape
    attended = np.empty((len(spans) if last else rows, heads, features), np.float32)
    for place, span in enumerate(spans):
        kept = span.past.layer(number)
        kept[:, :, span.begin : span.end] = parts[1:, :, span.start : span.stop]
        if last:
            attended[place] = _seen(parts[0, :, span.stop - 1 : span.stop], kept[:, :, : span.end])[:, 0]
            continue
        for start in range(span.start, span.stop, AT_ONCE):
            stop = min(start + AT_ONCE, span.stop)
            seen = _seen(parts[0, :, start:stop], kept[:, :, : span.end + stop - span.stop])
            attended[start:stop] = seen.swapaxes(0, 1)
    return attended.reshape(len(attended), heads * features)


def _seen(queries: Floats, kept: Floats) -> Floats:
    """What the last positions (heads × new × features) take from all so far (2 × heads × positions × features)."""
    scores = queries @ kept[0].swapaxes(1, 2)
    new = queries.shape[1]
    if new > 1:
        scores[:, :, -new:] += _FUTURE[:new, :new]
    scores -= scores.max(-1, keepdims=True)
    np.exp(scores, scores)
    seen = scores @ kept[1]
    seen /= scores.sum(-1, keepdims=True)
    return seen


def _gated(wide: Floats) -> Floats:
    """SiLU(gate) · up of rows × (gate, up), both of which come with the other sign."""
    half = wide.shape[1] // 2
    gate, up = wide[:, :half], wide[:, half:]
    opened = np.exp(gate)
    opened += 1
    np.divide(gate, opened, opened)
    opened *= up
    return opened


def _normed(x: Floats, eps: float) -> Floats:
    """RMSNorm over features; its scale is part of the matrix that follows."""
    size: Floats = (x[:, None, :] @ x[:, :, None])[:, 0]
    size /= x.shape[1]
    size += eps
    np.sqrt(size, size)
    normed = np.divide(x, size, dtype=np.float32)
    return normed


def _turns(shape: Shape) -> NDArray[np.complex64]:
    """How far each place (context) turns each pair of features (head / 2), as unit complex numbers."""
    frequencies = shape.theta ** (-np.arange(0, shape.head, 2) / shape.head)
    return np.exp(1j * np.arange(shape.context)[:, None] * frequencies).astype(np.complex64)


def _layer(shape: Shape, weights: Mapping[str, Floats], number: int) -> _Layer:
    def named(name: str) -> Floats:
        return weights[f"model.layers.{number}.{name}.weight"]

    before, after = named("input_layernorm"), named("post_attention_layernorm")
    query = _paired(shape, named("self_attn.q_proj")) / np.sqrt(shape.head)
    key = _paired(shape, named("self_attn.k_proj"))
    qkv = np.concatenate([query, key, named("self_attn.v_proj")]) * before
    gate_up = np.concatenate([named("mlp.gate_proj"), named("mlp.up_proj")]) * -after
    return _Layer(_fed(qkv), _fed(named("self_attn.o_proj")), _fed(gate_up), _fed(named("mlp.down_proj")))


def _paired(shape: Shape, matrix: Floats) -> Floats:
    """Rows reordered within each head: i and i + head/2 side by side."""
    halves = matrix.reshape(shape.heads, 2, shape.head // 2, shape.hidden)
    return halves.swapaxes(1, 2).reshape(shape.width, shape.hidden)


def _fed(matrix: NDArray[np.floating]) -> Floats:
    """From out × in to in × out, which products of few rows are fastest with; copied, as a trainer goes on changing its
    own.
    """
    return np.array(matrix.T, np.float32, order="C")


def _check(shape: Shape, weights: Mapping[str, Floats]) -> None:
    for name, size in shape.weights().items():
        if name not in weights:
            raise ValueError(f"{name} is missing")
        if weights[name].shape != size:
            raise ValueError(f"{name} is {weights[name].shape}, should be {size}")
