import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_store.train.tokenizer import build_tokenizer, write_tokenizer
from service.errors import SettingsError
from service.llm.embedded.pieces import PIECES
from service.llm.embedded.vocabulary import SPECIALS, Vocabulary
from tests.llm.embedded.talk import vocabulary

HUGGING_FACE = build_tokenizer()
SCRAPS = [
    *PIECES,
    *SPECIALS,
    "e9",
    "c1",
    "c511",
    "c512",
    "b-3",
    "12",
    "gap",
    "lost-call",
    "all",
    "\n",
    " ",
    ">",
    "…",
    "ü",
]
TEXTS = st.one_of(st.lists(st.sampled_from(SCRAPS)).map("".join), st.text(), st.text("ce019-_ >|<\"'{}\n", max_size=30))


@given(TEXTS)
def test_ids_are_those_of_hugging_faces_own_tokenizer(text: str) -> None:
    assert vocabulary().encode(text) == HUGGING_FACE.encode(text).ids


@given(st.lists(st.one_of(st.sampled_from(SPECIALS), st.text("<|>enduser ", max_size=12))).map("".join))
def test_nothing_that_is_written_becomes_a_mark(text: str) -> None:
    marks = {vocabulary().id(mark) for mark in SPECIALS} - {vocabulary().unknown}
    assert not marks & set(vocabulary().encode_plain(text))


def test_a_row_costs_a_token_a_code() -> None:
    row = "e9 gap c1>c7 s5 u9 t7 i8 k4 o0"
    ids = vocabulary().encode_plain(row)
    assert [vocabulary().decode([i]) for i in ids] == ["e9", "gap", "c1", ">", "c7", *row.split()[3:]]


def test_numbers_are_read_digit_by_digit_and_lines_end_with_a_token() -> None:
    ids = vocabulary().encode_plain("components 16\n+3 more")
    assert [vocabulary().decode([i]) for i in ids] == ["components", "1", "6", "\n", "+", "3", "more"]


def test_an_alias_beyond_the_range_is_unknown() -> None:
    assert vocabulary().encode_plain("c512 o256 e1024") == [vocabulary().unknown] * 3


def test_aliases_stand_in_the_order_of_their_numbers() -> None:
    counts = {letter: len(ids) for letter, ids in vocabulary().aliases.items()}
    assert counts == {"c": 512, "n": 128, "e": 1024, "o": 256, "l": 256}
    assert vocabulary().decode(vocabulary().aliases["n"][[0, 1, 127]]) == "n0n1n127"


def test_a_directory_is_read(tmp_path: Path) -> None:
    write_tokenizer(tmp_path)
    read = Vocabulary.load(tmp_path)
    assert read.size == vocabulary().size
    assert read.encode('e9 gap<|end|>{"name": "') == vocabulary().encode('e9 gap<|end|>{"name": "')


def _spoiled(**changes: Any) -> str:
    return json.dumps(json.loads(HUGGING_FACE.to_str()) | changes)


def _vocab(**changes: int | None) -> dict[str, Any]:
    told = json.loads(HUGGING_FACE.to_str())["model"]
    vocab = {**told["vocab"], **changes}
    return {**told, "vocab": {word: number for word, number in vocab.items() if number is not None}}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{", "is no vocabulary of words"),
        (
            _spoiled(model={"type": "BPE", "vocab": {}, "unk_token": "<|unk|>"}),
            "model.type: Input should be 'W",
        ),
        (_spoiled(normalizer={"type": "Lowercase"}), "normalizer"),
        (_spoiled(model=_vocab(gap=99_999)), "are not 0 to"),
        (_spoiled(model=_vocab(l255=None)), "no token 'l255', which prompts or moves are made of"),
        (_spoiled(model=_vocab(gap=0, **{"<|pad|>": vocabulary().id("gap")})), "another id than its word"),
    ],
)
def test_a_file_that_holds_no_vocabulary_of_ours_is_refused_in_one_line(tmp_path: Path, text: str, line: str) -> None:
    (tmp_path / "tokenizer.json").write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=line) as error:
        Vocabulary.load(tmp_path)
    assert "tokenizer.json: " in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"tokenizer\.json: cannot be read: No such file"):
        Vocabulary.load(tmp_path)
