"""A store of models: their directories, and beside them ``promoted.toml``, which says which one is in use."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from service.errors import SettingsError
from service.llm.model_files import MANIFEST

STORE: Final = Path(__file__).resolve().parents[2] / "model_store" / "models"
"""Where models lie that are installed with the service, which knows of that store nothing but the place."""

PROMOTED: Final = "promoted"
"""The name that means whichever model is in use."""

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
    directory = store / promotion.current
    if not (directory / MANIFEST).is_file():
        raise SettingsError(
            f"{directory}: is promoted and not there: run hypocenter-models rollback, or promote another"
        )
    return directory


def model_directory(store: Path, name: str) -> Path | None:
    """Where the model of that name lies: the one in use, one of the store, or any directory with a manifest; None if
    nowhere. Raises `SettingsError` if the one in use is asked for and none is, or it is gone.
    """
    if name == PROMOTED:
        return promoted_directory(store)
    places = (*([store / name] if DIRECTORY_NAME.fullmatch(name) else []), Path(name))
    return next((place for place in places if (place / MANIFEST).is_file()), None)


_Name = Annotated[str, StringConstraints(pattern=f"^{DIRECTORY_NAME.pattern}$")]


class _Read(BaseModel):
    model_config = ConfigDict(extra="forbid")
    current: _Name
    previous: tuple[_Name, ...] = ()
