"""What a change's body comes to, whoever sent it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeVar, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from service.errors import CallerError
from service.stores.validation import first_fault, name_of
from service.text import printable

Kind = Literal["deploy", "config", "scale", "restart"]
LONGEST_SUMMARY = 2000


@dataclass(frozen=True, slots=True)
class ToldChange:
    """One change; without a time it is of the moment at which it is told."""

    service: str
    kind: Kind
    summary: str
    time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What a body told: its changes; where it is in order but tells of none, ``ignored`` says why in a few words."""

    changes: tuple[ToldChange, ...] = ()
    ignored: str = ""


class Wire(BaseModel):
    """A body of somebody else's making: what we do not know in it is left alone."""

    model_config = ConfigDict(extra="ignore", frozen=True)


def fields(body: object) -> dict[str, object]:
    """The fields of an object; none where the body is something else."""
    return cast("dict[str, object]", body) if isinstance(body, dict) else {}


Read = TypeVar("Read", bound=BaseModel)


def read(model: type[Read], body: object) -> Read:
    """The body as that model. Raises `CallerError` with one line."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise CallerError(f"body: {first_fault(error)}") from None


def change(service: str, kind: Kind, summary: str, time: datetime | None = None) -> ToldChange:
    """The change as it may be kept and shown. Raises `CallerError` where nothing is named."""
    if not service.strip():
        raise CallerError("body: names no service that was changed")
    return ToldChange(name_of(service.strip()), kind, printable(summary)[:LONGEST_SUMMARY], time)


def ignore(why: str) -> Told:
    """A body that is in order and tells of no change; ``why`` may repeat what its sender wrote."""
    return Told(ignored=printable(why))


def short_revision(revision: str) -> str:
    """A commit as people write it."""
    return revision[:8] if len(revision) == len("da39a3ee5e6b4b0d3255bfef95601890afd80709") else revision
