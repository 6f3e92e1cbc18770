"""The words in which one incident is put to a model, start to end."""

import re
from dataclasses import dataclass

from service.errors import ModelError
from service.tools.naming import Naming, aliases, names
from service.tools.rows import Row, alias_rows, named_rows
from service.view.view import View

ALIASES = "aliases"
NAMES = "names"

RENDERING_VERSION = {ALIASES: "2", NAMES: "4"}
"""Raised with every change of wording: it enters the prompt id that a model's manifest names."""

_PIECES = re.compile(r"[^\W\d_]+|\d+|[^\w\s]")
_LETTERS_PER_TOKEN = 6  # of a long word, in common byte-pair vocabularies
_FENCED_TOKENS = 20


def estimated_tokens(text: str) -> int:
    """About how many tokens a text costs: one a sign, number or piece of a word. More than real tokenizers say."""
    return sum(1 + len(piece) // _LETTERS_PER_TOKEN for piece in _PIECES.findall(text))


def price(text: str) -> int:
    """What a line costs of an answer's budget: a fenced passage always the same, or it could crowd others out."""
    ours = text.split('"')[::2]
    return estimated_tokens(" ".join(ours)) + _FENCED_TOKENS * (text.count('"') // 2)


@dataclass(frozen=True, slots=True)
class Rendering:
    """One rendering of one incident: how components are called, how a row reads, and how long an answer may be."""

    name: str
    naming: Naming
    row: Row
    max_rows: int  # of one component; as many again of its neighbours on each side
    max_rows_anywhere: int  # of the whole system
    max_tokens: int  # of one answer


def rendering_of(name: str, view: View) -> Rendering:
    """The rendering of that name; `ModelError` if there is none such, since a model asked for it."""
    if name == ALIASES:
        naming = aliases(view.graph)
        return Rendering(
            name, naming, alias_rows(view.evidence, naming), max_rows=6, max_rows_anywhere=10, max_tokens=260
        )
    if name == NAMES:
        naming = names(view.graph)
        return Rendering(name, naming, named_rows(naming), max_rows=12, max_rows_anywhere=20, max_tokens=1600)
    raise ModelError(f"no rendering is called {name!r}: a model's rendering is {ALIASES} or {NAMES}")
