"""Argo CD: an Application as its notifications can send it (body ``{{ toJson .app }}``), or under ``app``."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from service.stores.change_bodies.told import Told, ToldChange, Wire, change, fields, ignore, read, short_revision
from service.stores.validation import Moment

_WORKLOADS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "Rollout"})
_UNDER_WAY = frozenset({"Running", "Terminating"})
_KEYS = ("app", "application")


class _Camel(Wire):
    model_config = ConfigDict(alias_generator=to_camel)


class _Metadata(_Camel):
    name: Annotated[str, Field(min_length=1)]


class _Resource(_Camel):
    kind: str = ""
    name: str = ""
    message: str = ""


class _SyncResult(_Camel):
    revision: str = ""
    resources: list[_Resource] | None = None


class _OperationState(_Camel):
    phase: str = ""
    started_at: Moment | None = None
    finished_at: Moment | None = None
    sync_result: _SyncResult | None = None


class _Summary(_Camel):
    images: tuple[str, ...] = ()


class _Status(_Camel):
    operation_state: _OperationState | None = None
    summary: _Summary = _Summary()


class _Application(_Camel):
    metadata: _Metadata
    status: _Status = _Status()


def application_in(body: object) -> object | None:
    """The Application that the body is or holds; None if there is none."""
    told = fields(body)
    return next((one for one in (told, *(told.get(key) for key in _KEYS)) if _is_application(fields(one))), None)


def _is_application(told: dict[str, object]) -> bool:
    return told.get("kind") == "Application" and str(told.get("apiVersion", "")).startswith("argoproj.io/")


def application_changes(body: object) -> Told:
    """A change for each workload that the last sync altered, or one for the application where it names none.

    Raises `service.errors.CallerError`.
    """
    application = read(_Application, body)
    state = application.status.operation_state
    if state is None or state.phase in _UNDER_WAY:
        return ignore("the application's sync has not ended")
    return Told(tuple(_changes(application, state)))


def _changes(application: _Application, state: _OperationState) -> Iterator[ToldChange]:
    result = state.sync_result or _SyncResult()
    revision = f" to {short_revision(result.revision)}" if result.revision else ""
    name, time = application.metadata.name, state.finished_at or state.started_at
    synced = f"Argo CD synced {name}{revision}, {state.phase.lower() or 'outcome unknown'}"
    altered = [r for r in result.resources or () if r.kind in _WORKLOADS and not r.message.endswith("unchanged")]
    for resource in altered:
        yield change(resource.name, "deploy", f"{synced}: {resource.message or resource.kind}", time)
    if not altered:
        images = ", ".join(application.status.summary.images)
        yield change(name, "deploy", f"{synced}: {images}" if images else synced, time)
