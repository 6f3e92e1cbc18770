"""What a model's directory says of itself: ``manifest.toml`` beside its weights."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.domain.localization import ModelIdentity
from service.errors import SettingsError
from service.llm.model_files import MANIFEST, WEIGHTS, checksums

FILE_NAME = MANIFEST

Scores = Mapping[str, Mapping[str, float]]
"""Figures by what was measured and on what."""

EMBEDDED = "embedded"


@dataclass(frozen=True, slots=True)
class Manifest:
    """Which model it is, what runs it, in which words and under which prompt it was made to be asked; of a trained one
    also where it comes from. ``identity.sha256`` is that of the weights, ``files_sha256`` one over all files.
    """

    identity: ModelIdentity
    engine: str
    rendering: str
    prompt_id: str
    tools_id: str = ""
    files_sha256: str = ""
    recipe: str = ""
    licence: str = ""
    seeds: Mapping[str, int] = field(default_factory=dict[str, int])
    scores: Scores = field(default_factory=dict[str, Mapping[str, float]])
    fusion: Mapping[str, Mapping[str, float]] = field(default_factory=dict[str, Mapping[str, float]])
    """What its word is worth (`service.rank.fusion.Weights`): alone, and beside the statistics."""

    @property
    def title(self) -> str:
        """Name and version."""
        return f"{self.identity.name} {self.identity.version}".rstrip()

    def check_prompt(self, prompt_ids: Mapping[str, str]) -> None:
        """Refuse (`SettingsError`) a model that was made for other words than ours; ``prompt_ids`` by rendering."""
        ours = prompt_ids.get(self.rendering, "none")
        if self.prompt_id != ours:
            raise SettingsError(
                f"model {self.title} was made for prompt {self.prompt_id} of rendering {self.rendering}, this service "
                f"asks with {ours}: take a version of the model that fits"
            )

    def check_tools(self, ours: str) -> None:
        """Refuse (`SettingsError`) a model that was made for other tools; one that does not say is not refused, unless
        it runs here.
        """
        if self.tools_id != ours and (self.tools_id or self.engine == EMBEDDED):
            theirs = self.tools_id or "that it does not tell"
            raise SettingsError(
                f"model {self.title} was made for tools {theirs}, this service offers {ours}: take a version of the "
                "model that fits"
            )

    def check_files(self, directory: Path) -> None:
        """Refuse (`SettingsError`) files that are not those that the manifest was written for. Without weights there
        is nothing to check.
        """
        if self.engine != EMBEDDED and not (directory / WEIGHTS).exists():
            return
        weights, files = checksums(directory)
        self._need_same(directory, WEIGHTS, weights, self.identity.sha256)
        self._need_same(directory, "all files together", files, self.files_sha256)

    def _need_same(self, directory: Path, what: str, found: str, told: str) -> None:
        if found != told:
            raise SettingsError(
                f"{directory}: the checksum of {what} is {found[:12]}…, {FILE_NAME} of {self.title} says "
                f"{_short(told)}: the model is damaged or was changed, take it anew"
            )


def _short(checksum: str) -> str:
    return f"{checksum[:12]}…" if checksum else "none"


_Score = Annotated[float, Field(allow_inf_nan=False)]


class _Weights(BaseModel):
    model_config = ConfigDict(extra="forbid")
    sharpness: _Score
    place: _Score
    support: _Score
    nothing: _Score
    resolved_from: _Score


class _Read(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=1)
    version: str = Field(min_length=1)
    engine: Literal["rules", "openai", "embedded"]
    rendering: Literal["aliases", "names"]
    prompt_id: str
    tools_id: str = ""
    sha256: str = ""
    files_sha256: str = ""
    recipe: str = ""
    licence: str = ""
    seeds: dict[str, int] = Field(default_factory=dict[str, int])
    scores: dict[str, dict[str, _Score]] = Field(default_factory=dict[str, dict[str, float]])
    fusion: dict[Literal["model", "fused"], _Weights] = Field(default_factory=dict[Any, _Weights])


def read_manifest(directory: Path) -> Manifest:
    """The manifest of a model's directory; `SettingsError`, one line, if there is none that can be read."""
    file = directory / FILE_NAME
    try:
        read = _Read.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise SettingsError(f"{file}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except ValueError as error:
        raise SettingsError(f"{file}: is no TOML: {error}") from error
    return Manifest(
        ModelIdentity(read.name, read.version, read.sha256),
        **read.model_dump(exclude={"name", "version", "sha256"}),
    )
