"""The body of ``POST /v1/changes``, in any of the forms that pipelines already send."""

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from service.errors import CallerError
from service.stores.change_bodies.argo_cd import application_changes, application_in
from service.stores.change_bodies.cdevents import cdevent_changes, is_cdevents_type
from service.stores.change_bodies.cloudevents import (
    Enveloped,
    batch,
    from_envelope,
    from_headers,
    is_binary,
    is_structured,
)
from service.stores.change_bodies.github import github_changes, is_github
from service.stores.change_bodies.plain import plain_changes
from service.stores.change_bodies.told import Told, fields


def parse_change_body(body: object, headers: Mapping[str, str]) -> Told:
    """What a decoded body tells: a plain form, a CDEvent, a CloudEvent with either in it (binary or structured mode,
    a batch), an Application of Argo CD, a deployment hook of GitHub. Names of the headers are in lower case.

    Raises `CallerError` with one line that names the field.
    """
    if is_binary(headers):
        return _enveloped(from_headers(headers, body))
    if isinstance(body, list):
        return _together([_enveloped(from_envelope(one)) for one in batch(cast("list[object]", body))])
    if is_structured(body):
        return _enveloped(from_envelope(body))
    return _bare(body)


def _enveloped(event: Enveloped) -> Told:
    if is_cdevents_type(event.type):
        told = cdevent_changes(event.data)
    elif isinstance(event.data, dict):
        told = _bare(cast("object", event.data))  # pyright: ignore[reportUnknownMemberType]
    else:
        raise CallerError(f'body: data of the event "{event.type[:80]}" should be an object')
    return replace(told, changes=tuple(replace(c, time=c.time or event.time) for c in told.changes))


def _bare(body: object) -> Told:
    if (application := application_in(body)) is not None:
        return application_changes(application)
    if is_github(body):
        return github_changes(body)
    if {"context", "subject"} <= fields(body).keys():
        return cdevent_changes(body)
    return plain_changes(body)


def _together(told: list[Told]) -> Told:
    changes = tuple(change for one in told for change in one.changes)
    return Told(changes, "" if changes else told[0].ignored)
