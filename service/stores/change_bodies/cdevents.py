"""CDEvents (cdevents.dev): what a delivery pipeline says of services and of the environments that they run in."""

import re
from typing import Annotated

from pydantic import Field

from service.stores.change_bodies.told import Kind, Told, Wire, change, ignore, read
from service.stores.validation import Moment

_TYPE = re.compile(r"(?:dev\.cdevents|cd)\.(?P<subject>[a-z]+)\.(?P<predicate>[a-z]+)\.v?\d")
"""``dev.cdevents.service.deployed.0.2.0``; before 0.1 ``cd.service.deployed.v1``."""

_KINDS: dict[tuple[str, str], Kind] = {
    ("service", "deployed"): "deploy",
    ("service", "upgraded"): "deploy",
    ("service", "rolledback"): "deploy",
    ("service", "removed"): "deploy",
    ("service", "published"): "deploy",
    ("environment", "created"): "config",
    ("environment", "modified"): "config",
    ("environment", "deleted"): "config",
}
_WORDS = {"rolledback": "rolled back"}


class _Context(Wire):
    type: Annotated[str, Field(min_length=1)]
    timestamp: Moment | None = None


class _Reference(Wire):
    id: str = ""


class _Content(Wire):
    name: str = ""
    environment: _Reference = _Reference()
    artifact_id: Annotated[str, Field(alias="artifactId")] = ""


class _Subject(Wire):
    id: Annotated[str, Field(min_length=1)]
    content: _Content = _Content()


class _Event(Wire):
    context: _Context
    subject: _Subject


def is_cdevents_type(name: str) -> bool:
    """Whether an event of this type is one of CDEvents."""
    return name.startswith("dev.cdevents.") or _TYPE.match(name) is not None


def cdevent_changes(body: object) -> Told:
    """The change that the event tells of. What a pipeline says beside (builds, tests, tickets, incidents) is none.

    Raises `service.errors.CallerError`.
    """
    event = read(_Event, body)
    parts = _TYPE.match(event.context.type)
    kind = None if parts is None else _KINDS.get((parts["subject"], parts["predicate"]))
    if parts is None or kind is None:
        return ignore("the event tells of no change to a service or an environment")
    content = event.subject.content
    name = content.name or event.subject.id.rstrip("/").rpartition("/")[2]  # the specification has "service/cart"
    predicate = _WORDS.get(parts["predicate"], parts["predicate"])
    where = f" in {content.environment.id}" if content.environment.id else ""
    what = f": {content.artifact_id}" if content.artifact_id else ""
    summary = f"{parts['subject']} {name} {predicate}{where}{what}"
    return Told((change(name, kind, summary, event.context.timestamp),))
