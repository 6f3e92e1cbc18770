"""What values of settings may be, and how an environment variable has them."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
Address = Annotated[str, Field(pattern=r"^$|^https?://[^\s/?#]+[^\s?#]*$")]
"""Of a server over HTTP, with a path if its API stands below one."""


class Group(BaseModel):
    """Settings that belong together: a table of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _split(told: object) -> object:
    return tuple(told.replace(",", " ").split()) if isinstance(told, str) else told


def _paired(told: object) -> object:
    """``Name=value, Other=value`` as a table."""
    if not isinstance(told, str):
        return told
    pairs = [pair.partition("=") for pair in told.split(",") if pair.strip()]
    if not all(equals for _, equals, _ in pairs):
        raise ValueError("should be Name=value, Other=value")
    return {name.strip(): value.strip() for name, _, value in pairs}


Words = Annotated[tuple[str, ...], BeforeValidator(_split)]
"""A list, or one text with commas between, as an environment has it."""

Labels = Annotated[tuple[Annotated[str, Field(pattern=r"^[^=\s]+=.+$")], ...], BeforeValidator(_split)]
"""Labels as ``name=value``."""

SeverityWords = Annotated[dict[str, Literal["critical", "error", "warning", "info"]], BeforeValidator(_paired)]

_HeaderName = Annotated[str, Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")]
_HeaderValue = Annotated[str, Field(pattern=r"^[\x20-\x7e]*$")]
Headers = Annotated[dict[_HeaderName, _HeaderValue], BeforeValidator(_paired)]
HeaderFiles = Annotated[dict[_HeaderName, Path], BeforeValidator(_paired)]
