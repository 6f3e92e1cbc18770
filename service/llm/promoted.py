"""Which model of a store of models is the one to use: ``promoted.toml`` beside their directories."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from service.errors import SettingsError

FILE_NAME: Final = "promoted.toml"
DIRECTORY_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""What the directory of a model may be called: it never leads out of the store."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """Names of directories: the one in use, and those before it, the latest first."""

    current: str
    previous: tuple[str, ...] = ()


def read_promotion(store: Path) -> Promotion | None:
    """What was promoted; None if nothing ever was. Raises `SettingsError` for a file that cannot be meant."""
    file = store / FILE_NAME
    try:
        read = _Read.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise SettingsError(f"{file}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except ValueError as error:
        raise SettingsError(f"{file}: is no TOML: {error}") from None
    return Promotion(read.current, read.previous)


def promoted_directory(store: Path) -> Path:
    """The directory of the model in use. Raises `SettingsError` if none is."""
    promotion = read_promotion(store)
    if promotion is None:
        raise SettingsError(f"no model is promoted in {store}: run hypocenter-models promote NAME, or name a model")
    return store / promotion.current


_Name = Annotated[str, StringConstraints(pattern=f"^{DIRECTORY_NAME.pattern}$")]


class _Read(BaseModel):
    model_config = ConfigDict(extra="forbid")
    current: _Name
    previous: tuple[_Name, ...] = ()
