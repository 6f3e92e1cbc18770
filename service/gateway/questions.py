"""The body of ``POST /v1/localizations``: alerts, or a component and a window."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from service.domain.alert import Alert
from service.domain.component import EDGE_ARROW, ComponentKind
from service.domain.subject import NONE_TRUSTED, Trusted
from service.domain.window import Window
from service.errors import CallerError
from service.gateway.bodies import validated
from service.gateway.documented import schema_of
from service.jobs.records import Question
from service.stores.alert_body import parse_alert_body
from service.stores.validation import Moment, name_of
from service.telemetry import traceparent

LONGEST_WINDOW = timedelta(days=1)


def _named(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


def _ends(value: object) -> object:
    if isinstance(value, list) and len(ends := cast("Sequence[object]", value)) == 2:
        return {"start": ends[0], "end": ends[1]}
    return cast("object", value)


class _Component(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: ComponentKind = ComponentKind.SERVICE
    name: Annotated[str, Field(min_length=1, max_length=500)]


class _Window(BaseModel):
    model_config = ConfigDict(extra="forbid")
    start: Moment
    end: Moment


_DeadlineS = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]


class AboutAlerts(BaseModel):
    """Alerts as Alertmanager sends them; a whole webhook body will do, what else is in it is ignored."""

    model_config = ConfigDict(extra="ignore")
    alerts: list[Any]
    status: Literal["firing", "resolved"] = "firing"
    group_key: str = Field(default="", alias="groupKey")
    deadline_s: _DeadlineS | None = None


class AboutWindow(BaseModel):
    """A component that somebody complains of, and when."""

    model_config = ConfigDict(extra="forbid")
    schema_version: Literal["1"] = "1"
    component: Annotated[_Component, BeforeValidator(_named)]
    window: Annotated[_Window, BeforeValidator(_ends)]
    deadline_s: _DeadlineS | None = None


SCHEMA = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"anyOf": [schema_of(AboutAlerts), schema_of(AboutWindow)]}}},
    }
}


def question_of(body: object, now: datetime, trusted: Trusted = NONE_TRUSTED) -> Question:
    """The question; ``trusted`` are labels of alerts that are believed first. Raises `CallerError` with one line."""
    if not isinstance(body, dict):
        raise CallerError("body: should be an object with alerts, or with component and window")
    if "alerts" in body:
        if "component" in body or "window" in body:
            raise CallerError("body: has alerts and component or window, should have one or the other")
        return _about_alerts(validated(AboutAlerts, cast("object", body)), trusted)
    return _about_window(validated(AboutWindow, cast("object", body)), now)


def _about_alerts(asked: AboutAlerts, trusted: Trusted) -> Question:
    webhook = {"version": "4", "status": asked.status, "groupKey": asked.group_key, "alerts": asked.alerts}
    group = parse_alert_body(webhook, trusted)
    return Question(group.alerts, group.group_key, deadline_s=asked.deadline_s, traceparent=traceparent())


def _about_window(asked: AboutWindow, now: datetime) -> Question:
    window = _window(asked.window, now)
    middle = window.start + window.length / 2
    alert = Alert(f"asked-{secrets.token_hex(8)}", middle, window.end, _labels(asked.component))
    return Question((alert,), window=window, deadline_s=asked.deadline_s, traceparent=traceparent())


def _window(asked: _Window, now: datetime) -> Window:
    if not asked.start < asked.end <= now + LONGEST_WINDOW:
        raise CallerError("body: window: should end after it starts, and not in the future")
    if asked.end - asked.start > LONGEST_WINDOW:
        raise CallerError("body: window: is longer than a day")
    return Window(asked.start, asked.end)


def _labels(component: _Component) -> dict[str, str]:
    """The component as an alert would name it; the caller is who notices a bad edge."""
    name = name_of(component.name)
    match component.kind:
        case ComponentKind.SERVICE:
            return {"service": name}
        case ComponentKind.EDGE:
            return {"service": name.partition(EDGE_ARROW)[0]}
        case ComponentKind.POD | ComponentKind.NODE:
            return {component.kind.value: name}
