"""A trained network as a model's directory in Hugging Face's layout: what the service embeds and vLLM serves."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from model_store.train.card import card
from model_store.train.tokenizer import build_vocabulary, write_tokenizer
from service.agent.prompt import prompt_id
from service.errors import CallerError
from service.llm.embedded.grammar import LONGEST
from service.llm.embedded.vocabulary import ASSISTANT, END, PAD, TOOL, UNKNOWN, USER, Vocabulary
from service.llm.embedded.weights import read_network
from service.llm.manifest import EMBEDDED, FILE_NAME, Manifest, Scores, read_manifest
from service.llm.model_files import WEIGHTS, checksums
from service.llm.promoted import DIRECTORY_NAME
from service.tools.rendering import ALIASES
from service.tools.specs import tools_id

TEMPLATE = Path(__file__).with_name("chat_template.jinja")

Weights = Mapping[str, NDArray[np.float32]]
"""Tensors by their names in Hugging Face's layout; the output is tied to the embedding and not among them."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What is told of a model: what it is called, the recipe and the seeds of the data that made it, what it scored."""

    name: str
    version: str
    recipe: str
    seeds: Mapping[str, int] = field(default_factory=dict[str, int])
    scores: Scores = field(default_factory=dict[str, Mapping[str, float]])
    licence: str = "Apache-2.0"
    card: str = ""
    """The model card in Markdown; "" for one that says what the manifest says."""


def export(directory: Path, config: Mapping[str, object], weights: Weights, origin: Origin) -> Manifest:
    """Write the directory of a model, whole or not at all; one that an earlier export wrote is replaced.

    Weights are kept as float16: measure what was exported, not what was trained. ``config`` are the fields of
    ``config.json`` that follow from the network's shape. Raises `CallerError`, one line,
    for a name that no directory can have, for a directory that is something else, and `SettingsError` where weights,
    config and vocabulary do not fit.
    """
    if not DIRECTORY_NAME.fullmatch(f"{origin.name}-{origin.version}"):
        raise CallerError(f"{origin.name} {origin.version}: name and version may have letters, digits, dots, _ and -")
    if directory.exists() and not (directory / FILE_NAME).is_file():
        raise CallerError(f"{directory}: is there and holds no model: name a new directory")
    aside = directory.with_name(f".{directory.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        manifest = _write(aside, config, weights, origin)
        shutil.rmtree(directory, ignore_errors=True)
        aside.replace(directory)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return manifest


def _write(directory: Path, config: Mapping[str, object], weights: Weights, origin: Origin) -> Manifest:
    vocabulary = build_vocabulary()
    _need_size(config, vocabulary)
    write_tokenizer(directory)
    ends = {"bos_token_id": None, "eos_token_id": vocabulary.end, "pad_token_id": vocabulary.pad}
    _write_json(directory / "config.json", {**config, **ends, "torch_dtype": "float16"})
    _write_json(directory / "generation_config.json", {**ends, "do_sample": False, "max_new_tokens": LONGEST})
    _write_json(directory / "special_tokens_map.json", _MARKS)
    told = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": config["max_position_embeddings"],
        "clean_up_tokenization_spaces": False,
        **_MARKS,
    }
    _write_json(directory / "tokenizer_config.json", told)
    shutil.copyfile(TEMPLATE, directory / TEMPLATE.name)
    (directory / WEIGHTS).write_bytes(save({name: _halved(name, w) for name, w in weights.items()}, _FORMAT))
    sums = checksums(directory)
    (directory / FILE_NAME).write_text(_manifest(origin, *sums), encoding="utf-8")
    read_network(directory)
    manifest = read_manifest(directory)
    (directory / "README.md").write_text(origin.card or card(manifest, config), encoding="utf-8")
    return manifest


_MARKS = {
    "eos_token": END,
    "pad_token": PAD,
    "unk_token": UNKNOWN,
    "additional_special_tokens": [USER, ASSISTANT, TOOL],
}
_FORMAT = {"format": "pt"}
"""What transformers wants to be told before it reads a safetensors file."""


def _halved(name: str, weight: NDArray[np.float32]) -> NDArray[np.float16]:
    """Half the bytes. What computes widens them again, so all that read the directory compute with the same numbers."""
    with np.errstate(over="ignore"):
        halved = np.ascontiguousarray(weight, np.float16)
    if not np.isfinite(halved).all():
        raise CallerError(f"{name} has numbers that are none, or too large to be kept: the training went astray")
    return halved


def _need_size(config: Mapping[str, object], vocabulary: Vocabulary) -> None:
    if config["vocab_size"] != vocabulary.size:
        raise CallerError(
            f"the network knows {config['vocab_size']} words, the vocabulary has {vocabulary.size}: it was trained "
            "with other words than this version's"
        )


def _write_json(file: Path, content: Mapping[str, object]) -> None:
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _manifest(origin: Origin, sha256: str, files_sha256: str) -> str:
    told = {
        "name": origin.name,
        "version": origin.version,
        "engine": EMBEDDED,
        "rendering": ALIASES,
        "prompt_id": prompt_id(ALIASES),
        "tools_id": tools_id(),
        "sha256": sha256,
        "files_sha256": files_sha256,
        "recipe": origin.recipe,
        "licence": origin.licence,
    }
    tables = {"seeds": origin.seeds, **{f"scores.{_toml(name)}": figures for name, figures in origin.scores.items()}}
    lines = [f"{key} = {_toml(value)}" for key, value in told.items()]
    for name, table in tables.items():
        lines += ["", f"[{name}]", *(f"{_toml(key)} = {_toml(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


def _toml(value: str | float) -> str:
    """A value in TOML, which reads strings and numbers as JSON writes them."""
    return json.dumps(value, ensure_ascii=False)
