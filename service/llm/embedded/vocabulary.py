"""The small model's words: the ``tokenizer.json`` (Hugging Face's format) of its directory, read without a library.

It is a plain list of words, so reading it takes a regular expression and a dictionary; a test holds the ids equal to
those of Hugging Face's own tokenizer of the same file.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.errors import SettingsError

FILE_NAME: Final = "tokenizer.json"

USER: Final = "<|user|>"
ASSISTANT: Final = "<|assistant|>"
TOOL: Final = "<|tool|>"
END: Final = "<|end|>"
PAD: Final = "<|pad|>"
UNKNOWN: Final = "<|unk|>"
SPECIALS: Final = (PAD, UNKNOWN, USER, ASSISTANT, TOOL, END)

ALIAS_COUNTS: Final = {"c": 512, "n": 128, "e": 1024, "o": 256, "l": 256}
"""How many aliases of each letter have a token: services, nodes, evidence rows, operations, log templates."""

WORD: Final = r"\n|[a-z]-?[0-9]+(?![A-Za-z0-9_])|[A-Za-z_]+(?:-[A-Za-z_]+)*|[0-9]|[^ ]"
"""What is one word outside the pieces of moves: a line's end, an alias or bucket, a word, else a digit or a sign;
spaces are dropped. Python and the tokenizer of Hugging Face read it alike.
"""


class Vocabulary:
    """Words and their ids. What strangers write can never become a special token: only `encode` knows the marks, and
    `encode_plain` is what messages' contents are for (`service.llm.embedded.chat`).
    """

    def __init__(self, ids: Mapping[str, int], pieces: Iterable[str], word: str = WORD) -> None:
        self._ids = dict(ids)
        self._tokens = [""] * len(self._ids)
        for token, number in self._ids.items():
            self._tokens[number] = token
        self._marks = _any_of(SPECIALS)
        self._pieces = _any_of(pieces)
        self._words = re.compile(word)
        self.user, self.assistant, self.tool, self.end, self.pad, self.unknown = (
            self.id(mark) for mark in (USER, ASSISTANT, TOOL, END, PAD, UNKNOWN)
        )
        self.aliases: Mapping[str, NDArray[np.int32]] = {
            letter: np.array([self.id(f"{letter}{n}") for n in range(count)], np.int32)
            for letter, count in ALIAS_COUNTS.items()
        }
        """For each letter the ids of its aliases, in the order of their numbers."""

    @classmethod
    def load(cls, path: Path) -> "Vocabulary":
        """The vocabulary of a model's directory, or of its tokenizer.json. Raises `SettingsError`, one line."""
        file = path / FILE_NAME if path.is_dir() else path
        try:
            return cls.read(file.read_bytes())
        except OSError as error:
            raise SettingsError(f"{file}: cannot be read: {error.strerror}") from None
        except SettingsError as error:
            raise SettingsError(f"{file}: {error}") from None

    @classmethod
    def read(cls, json: bytes | str) -> "Vocabulary":
        """The vocabulary that a tokenizer.json holds. Raises `SettingsError` if it is none of the kind made here."""
        try:
            told = _File.model_validate_json(json)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise SettingsError(f"is no vocabulary of words: {where}: {first['msg']}") from None
        ids = told.model.vocab
        if sorted(ids.values()) != list(range(len(ids))):
            raise SettingsError(f"the ids of its {len(ids)} words are not 0 to {len(ids) - 1}")
        if any(ids.get(token.content) != token.id for token in told.added_tokens):
            raise SettingsError("an added token has another id than its word")
        return cls(ids, (t.content for t in told.added_tokens if not t.special), told.pre_tokenizer.pattern.Regex)

    @property
    def size(self) -> int:
        """How many ids there are: 0 to size - 1."""
        return len(self._tokens)

    def id(self, token: str) -> int:
        """The id of one token. Raises `SettingsError` if it has none: the model was not made for these moves."""
        try:
            return self._ids[token]
        except KeyError:
            raise SettingsError(f"the vocabulary has no token {token!r}, which prompts or moves are made of") from None

    def encode(self, text: str) -> list[int]:
        """The ids of a text in which marks such as ``<|end|>`` are meant."""
        return [i for part in self._marks.split(text) if part for i in self._part(part)]

    def encode_plain(self, text: str) -> list[int]:
        """The ids of a text in which marks are nothing but unknown signs."""
        get, unknown, words = self._ids.get, self.unknown, self._words.findall
        parts = self._pieces.split(text)
        if len(parts) == 1:
            return [get(word, unknown) for word in words(text)]
        ids: list[int] = []
        for between, piece in zip(parts[::2], (*parts[1::2], ""), strict=True):
            ids += [get(word, unknown) for word in words(between)]
            if piece:
                ids.append(self._ids[piece])
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """The tokens of these ids set side by side, without marks: of a move that is its JSON text."""
        return "".join(self._tokens[i] for i in ids if self._tokens[i] not in SPECIALS)

    def _part(self, part: str) -> list[int]:
        return [self._ids[part]] if part in SPECIALS else self.encode_plain(part)


def _any_of(tokens: Iterable[str]) -> re.Pattern[str]:
    """Splits at these tokens and keeps them; the longest that stands at a place counts."""
    return re.compile("(" + "|".join(re.escape(t) for t in sorted(tokens, key=len, reverse=True)) + ")")


class _Read(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Pattern(_Read):
    Regex: str


class _PreTokenizer(_Read):
    type: Literal["Split"]
    pattern: _Pattern
    behavior: Literal["Removed"]
    invert: Literal[True]


class _WordLevel(_Read):
    type: Literal["WordLevel"]
    vocab: dict[str, int]
    unk_token: Literal["<|unk|>"]


class _Added(_Read):
    id: int
    content: Annotated[str, Field(min_length=1)]
    special: bool


class _File(_Read):
    normalizer: None = None
    pre_tokenizer: _PreTokenizer
    model: _WordLevel
    added_tokens: list[_Added]
