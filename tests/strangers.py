"""What strangers may send: text that steers, turns or hides, and bodies of a known form with something else in them."""

from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

HOSTILE = st.text(
    st.sampled_from(
        "a -\n\r\t\x00\x1b\x9b\x07\b\u202e\u2066\u200f\u061c\u200b\ufeff\u2028\ud800\ue000\U000e0041\u3164"
    ),
    min_size=1,
    max_size=12,
)

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | HOSTILE
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(HOSTILE, inner, max_size=2))


@st.composite
def spoiled(draw: st.DrawFn, shapes: Sequence[object], leaves: st.SearchStrategy[object] = VALUES) -> Any:
    """A body of one of the shapes with something else in some of its places, and fields that nobody knows."""

    def visit(part: Any) -> Any:
        if draw(st.integers(0, 9)) == 0:
            return draw(leaves)
        if isinstance(part, Mapping):
            fields: dict[Any, Any] = {key: visit(value) for key, value in part.items()}  # pyright: ignore[reportUnknownVariableType]
            more = draw(st.dictionaries(HOSTILE, leaves, max_size=1)) if draw(st.integers(0, 9)) == 0 else {}
            return {**fields, **more}
        if isinstance(part, list):
            return [visit(value) for value in part]  # pyright: ignore[reportUnknownVariableType]
        return part

    return visit(draw(st.sampled_from(shapes)))
