"""What a model's directory says of itself: ``manifest.toml`` beside its weights."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.domain.localization import ModelIdentity
from service.errors import SettingsError

FILE_NAME = "manifest.toml"


@dataclass(frozen=True, slots=True)
class Manifest:
    """Which model it is, what runs it, and in which words and under which prompt it was made to be asked."""

    identity: ModelIdentity
    engine: str
    rendering: str
    prompt_id: str

    def check_prompt(self, prompt_ids: Mapping[str, str]) -> None:
        """Refuse (`SettingsError`) a model that was made for other words than ours; ``prompt_ids`` by rendering."""
        ours = prompt_ids.get(self.rendering, "none")
        if self.prompt_id != ours:
            name = f"{self.identity.name} {self.identity.version}".rstrip()
            raise SettingsError(
                f"model {name} was made for prompt {self.prompt_id} of rendering {self.rendering}, this service asks "
                f"with {ours}: take a version of the model that fits"
            )


class _Read(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=1)
    version: str = Field(min_length=1)
    engine: Literal["rules", "openai", "embedded"]
    rendering: Literal["aliases", "names"]
    prompt_id: str
    sha256: str = ""


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
    identity = ModelIdentity(read.name, read.version, read.sha256)
    return Manifest(identity, read.engine, read.rendering, read.prompt_id)
