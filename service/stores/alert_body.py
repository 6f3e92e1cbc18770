"""The webhook body of Alertmanager (version "4") and of Grafana, which sends the same envelope as version "1"."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from service.domain.alert import Alert
from service.domain.subject import NONE_TRUSTED, Trusted
from service.domain.window import rfc3339
from service.errors import CallerError
from service.stores.validation import LONGEST_NAME, AnyMoment, Moment, first_fault, name_of
from service.text import printable

OPEN_END = "0001-01-01T00:00:00Z"
"""Go's zero time: an alert that carries it as its end has not ended."""
OPEN_END_YEAR = 1


@dataclass(frozen=True, slots=True)
class AlertGroup:
    """Alerts that were notified together, firing and resolved mixed.

    ``status`` is "firing" or "resolved" (all of them). ``truncated`` counts alerts that the sender left out.
    """

    group_key: str
    status: str
    alerts: tuple[Alert, ...]
    group_labels: Mapping[str, str] = field(default_factory=dict[str, str])
    truncated: int = 0


def parse_alert_body(body: object, trusted: Trusted = NONE_TRUSTED) -> AlertGroup:
    """The alerts of a decoded webhook body; what is unknown in it is ignored, times become UTC. ``trusted`` are labels
    that say whom an alert is about, before the usual ones.

    Raises `CallerError` with one line that names the field if it is not such a body.
    """
    try:
        read = _Body.model_validate(body)
    except ValidationError as error:
        raise CallerError(f"alert body: {first_fault(error)}") from None
    return AlertGroup(
        group_key=printable(read.group_key),
        status=read.status,
        alerts=tuple(_alert(alert, read.status, trusted) for alert in read.alerts),
        group_labels=_printable_map(read.group_labels),
        truncated=read.truncated_alerts,
    )


def _none_is_empty(value: object) -> object:
    return {} if value is None else value


def _none_is_zero(value: object) -> object:
    return 0 if value is None else value


def _known_version(value: object) -> object:
    if value not in ("4", "1"):
        raise ValueError('should be "4" (Alertmanager) or "1" (Grafana)')
    return value


_Labels = Annotated[dict[str, str], BeforeValidator(_none_is_empty)]


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, alias_generator=to_camel)


class _Alert(_Wire):
    starts_at: Moment
    ends_at: AnyMoment | None = None
    status: Literal["firing", "resolved"] | None = None
    labels: _Labels
    annotations: _Labels = Field(default_factory=dict)
    generator_url: str | None = Field(default=None, alias="generatorURL")
    fingerprint: str | None = None


class _Body(_Wire):
    version: Annotated[str, BeforeValidator(_known_version)]
    status: Literal["firing", "resolved"]
    alerts: Annotated[list[_Alert], Field(min_length=1)]
    group_key: str = ""
    group_labels: _Labels = Field(default_factory=dict)
    truncated_alerts: Annotated[int, Field(ge=0), BeforeValidator(_none_is_zero)] = 0


def _alert(read: _Alert, group_status: str, trusted: Trusted) -> Alert:
    return Alert(
        fingerprint=printable(read.fingerprint or "") or _fingerprint(read.labels),
        starts_at=read.starts_at,
        ends_at=_end(read, group_status),
        labels=_named(read.labels),
        annotations=_printable_map(read.annotations),
        generator_url=printable(read.generator_url or ""),
        trusted=trusted,
    )


def _end(read: _Alert, group_status: str) -> datetime | None:
    """The status decides: a firing alert may carry the future moment at which it would expire."""
    if (read.status or group_status) == "firing":
        return None
    if read.ends_at is None or read.ends_at.year == OPEN_END_YEAR:
        return read.starts_at
    return read.ends_at


def _fingerprint(labels: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(sorted(labels.items())).encode()).hexdigest()[:16]


def _named(labels: dict[str, str]) -> dict[str, str]:
    whole = "".join((*labels, *labels.values()))
    if len(whole) <= LONGEST_NAME and whole.isascii() and whole.isprintable():  # almost all, told much faster at once
        return labels
    return {name_of(name): name_of(value) for name, value in labels.items()}


def _printable_map(labels: dict[str, str]) -> dict[str, str]:
    whole = "".join((*labels, *labels.values()))
    if whole.isascii() and whole.isprintable():
        return labels
    return {printable(name): printable(value) for name, value in labels.items()}


def alert_body(group: AlertGroup) -> dict[str, object]:
    """The group as the body that Alertmanager would send; parsed again, it is the same group."""
    return {
        "version": "4",
        "groupKey": group.group_key,
        "truncatedAlerts": group.truncated,
        "receiver": "hypocenter",
        "status": group.status,
        "groupLabels": dict(group.group_labels),
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "",
        "alerts": [_wire(alert) for alert in group.alerts],
    }


def _wire(alert: Alert) -> dict[str, object]:
    return {
        "status": "firing" if alert.ends_at is None else "resolved",
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "startsAt": rfc3339(alert.starts_at),
        "endsAt": OPEN_END if alert.ends_at is None else rfc3339(alert.ends_at),
        "generatorURL": alert.generator_url,
        "fingerprint": alert.fingerprint,
    }
