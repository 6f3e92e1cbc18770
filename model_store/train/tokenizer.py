"""The small model's vocabulary, built from what prompts and moves can say: the same every time, learned from nothing.

It is a word list in Hugging Face's tokenizer.json: marks, pieces of moves, words, signs, digits, buckets, aliases.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

from service.domain.evidence import EvidenceKind, Signal
from service.domain.fault import Fault
from service.evidence import metric_class
from service.llm.embedded.pieces import PIECES
from service.llm.embedded.vocabulary import ALIAS_COUNTS, FILE_NAME, SPECIALS, UNKNOWN, WORD, Vocabulary
from service.tools.specs import TOOL_NAMES

_QUESTIONS = """
root alerting components services nodes: to and no signals none more
child asked-by callers callees x
suspects
"""
_ANSWERS = """
all (not recorded) (no baseline) nothing unusual + more
callees callers hosts hosted quiet
innocent guilty
being investigated
not investigated: no frames left
already shown above: nothing has changed, ask something else or end
unknown: there are to and, or all
"""
_ROWS = """
new gone flat ? @ > / :
host outgoing inverse
ERROR WARN INFO DEBUG
"""
# What the parser says to other models: ours can write nothing but moves. The wording of bounds is that of pydantic.
_REFUSALS = """
(nothing) that was no call: call or
there is no such tool: cannot be called now: takes
the arguments are not JSON: there is an argument too many: component components causes guilty fault rows name
Field required
Input should be a valid string, list, boolean, dictionary or instance of an object array
Object Model type value bytes unicode unable to parse raw data into a unicode string
String should have at least at most characters character
List should have at least at most items item after validation, not
{"[" true false null "]"} … 1 to of them, up to rows . ' - = <
"""
_METRIC_CLASSES = (
    metric_class.CPU,
    metric_class.MEMORY,
    metric_class.DISK,
    metric_class.NETWORK,
    metric_class.LATENCY,
    metric_class.ERROR,
    metric_class.TRAFFIC,
    metric_class.RESTART,
    metric_class.POOL,
    metric_class.OTHER,
)
_ONLY_DIGITS = "stpik"
_UP_AND_DOWN = "ud"


def build_tokenizer() -> Tokenizer:
    """The tokenizer as Hugging Face's library has it."""
    ids = {token: number for number, token in enumerate(_tokens())}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(WORD), behavior="removed", invert=True)
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens([AddedToken(mark, special=True, normalized=False) for mark in SPECIALS])
    tokenizer.add_tokens([AddedToken(piece, normalized=False) for piece in PIECES])
    return tokenizer


def build_vocabulary() -> Vocabulary:
    """The same as the service reads it."""
    return Vocabulary.read(build_tokenizer().to_str())


def write_tokenizer(directory: Path) -> Path:
    """tokenizer.json in a model's directory."""
    file = directory / FILE_NAME
    file.write_text(build_tokenizer().to_str(pretty=True) + "\n", encoding="utf-8")
    return file


def _tokens() -> Iterator[str]:
    """Every token, in the order of the ids."""
    yield from SPECIALS
    yield from PIECES
    yield "\n"
    yield from map(str, range(10))
    yield from sorted(_words())
    yield from _buckets()
    for letter, count in ALIAS_COUNTS.items():
        yield from (f"{letter}{number}" for number in range(count))


def _words() -> set[str]:
    named = (*Signal, *EvidenceKind, *Fault)
    text = " ".join((_QUESTIONS, _ANSWERS, _ROWS, _REFUSALS, *_METRIC_CLASSES, *TOOL_NAMES, *(n.value for n in named)))
    return set(re.findall(WORD, text)) - {"\n"} - set(map(str, range(10)))


def _buckets() -> Iterator[str]:
    """A letter for what is measured, a digit for how much: `service.tools.buckets`."""
    for letter in _ONLY_DIGITS + _UP_AND_DOWN:
        yield from (f"{letter}{digit}" for digit in range(10))
    yield from (f"b{digit}" for digit in range(-9, 10))
