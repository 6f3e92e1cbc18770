"""What lies in a trained model's directory (Hugging Face's layout), and the checksums that its manifest gives."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from service.errors import SettingsError

WEIGHTS: Final = "model.safetensors"
CONFIG: Final = "config.json"
REQUIRED: Final = (
    WEIGHTS,
    CONFIG,
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
)
MANIFEST: Final = "manifest.toml"
_TELLING = (".md", ".png", ".svg")
"""Endings of what is told about a model and changes nothing that it says: a card may be mended later."""


def sha256_of(file: Path) -> str:
    """A file's checksum. Raises `SettingsError` if it cannot be read."""
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read: {error.strerror}") from None


def checksums(directory: Path) -> tuple[str, str]:
    """The checksum of the weights and the one over all files: but for the manifest itself, and what is only told.

    The latter is that of a listing as ``sha256sum`` writes it, by name. Raises `SettingsError` for what is missing.
    """
    for name in REQUIRED:
        if not (directory / name).is_file():
            raise SettingsError(f"{directory}: {name} is missing; a trained model has {', '.join(REQUIRED)}")
    sums = {name: sha256_of(directory / name) for name in _deciding(directory)}
    listing = "".join(f"{checksum}  {name}\n" for name, checksum in sums.items())
    return sums[WEIGHTS], hashlib.sha256(listing.encode()).hexdigest()


def _deciding(directory: Path) -> Iterator[str]:
    """Names of the files that decide what the model says, ascending."""
    paths = (path for path in directory.rglob("*") if path.is_file() and path.suffix not in _TELLING)
    yield from sorted(name for path in paths if (name := path.relative_to(directory).as_posix()) != MANIFEST)
