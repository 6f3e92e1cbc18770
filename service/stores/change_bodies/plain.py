"""Our own form: ``{"service": …, "kind": …, "summary": …, "time": …}``, or several as ``{"changes": […]}``."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.stores.change_bodies.told import LONGEST_SUMMARY, Kind, Told, ToldChange, change, fields, read
from service.stores.validation import Moment


class PlainChange(BaseModel):
    """A change in the plain form; without a time it is of now."""

    model_config = ConfigDict(extra="forbid")
    schema_version: Literal["1"] = "1"
    time: Moment | None = None
    service: Annotated[str, Field(min_length=1, max_length=500)]
    kind: Kind
    summary: Annotated[str, Field(max_length=LONGEST_SUMMARY)] = ""


class _Many(BaseModel):
    model_config = ConfigDict(extra="forbid")
    schema_version: Literal["1"] = "1"
    changes: Annotated[list[PlainChange], Field(min_length=1)]


def plain_changes(body: object) -> Told:
    """The changes of a plain body. Raises `service.errors.CallerError`."""
    if "changes" in fields(body):
        return Told(tuple(map(_change, read(_Many, body).changes)))
    return Told((_change(read(PlainChange, body)),))


def _change(told: PlainChange) -> ToldChange:
    return change(told.service, told.kind, told.summary, told.time)
