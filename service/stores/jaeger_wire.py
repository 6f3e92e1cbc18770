"""What Jaeger's query API answers with: version 1, the one of its own page, and version 3, which is OTLP's JSON."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from service.stores.callees import callee_of
from service.stores.embedded.origin import NAME_LENGTH, UNKNOWN, origin_from
from service.stores.otlp_json import Told, Traces, kind_of
from service.stores.span_rows import SPAN_DIGITS, TRACE_DIGITS, SpanRow, identifier, link

HOST_TAG, INSTANCE_TAG = "hostname", "service.instance.id"
"""Jaeger's own clients told where they ran: in a container that is the pod, and on a machine as good as one."""


def _or_none(value: object) -> object:
    return () if value is None else value


class Tag(Told):
    """One tag; its value as the type has it, or as text whatever the type."""

    key: str
    value: str | bool | int | float | None = None

    @property
    def text(self) -> str:
        """The value as text."""
        return str(self.value).lower() if isinstance(self.value, bool) else str(self.value or "")


Tags = Annotated[tuple[Tag, ...], BeforeValidator(_or_none)]


class Process(Told):
    """Who sent spans."""

    service: str = Field(default="", alias="serviceName")
    tags: Tags = ()


class Reference(Told):
    """What a span follows."""

    kind: str = Field(default="CHILD_OF", alias="refType")
    trace_id: str = Field(default="", alias="traceID")
    span_id: str = Field(default="", alias="spanID")


class JaegerSpan(Told):
    """One span; times in microseconds."""

    trace_id: str = Field(alias="traceID")
    span_id: str = Field(alias="spanID")
    operation: str = Field(default="", alias="operationName")
    references: Annotated[tuple[Reference, ...], BeforeValidator(_or_none)] = ()
    start_us: int = Field(alias="startTime")
    duration_us: int = Field(default=0, alias="duration")
    process: str = Field(default="", alias="processID")
    tags: Tags = ()


class JaegerTrace(Told):
    """One trace."""

    spans: tuple[JaegerSpan, ...] = ()
    processes: dict[str, Process] = Field(default_factory=dict[str, Process])


class Fault(Told):
    """An error inside an answer."""

    msg: str = ""


class Envelope(Told):
    """What every answer of version 1 has; an error may come with 200."""

    errors: Annotated[tuple[Fault, ...], BeforeValidator(_or_none)] = ()


class ServicesAnswer(Envelope):
    """Services by name."""

    data: Annotated[tuple[str, ...], BeforeValidator(_or_none)] = ()


class TracesAnswer(Envelope):
    """Whole traces."""

    data: Annotated[tuple[JaegerTrace, ...], BeforeValidator(_or_none)] = ()


class Dependency(Told):
    """Who calls whom, and how often."""

    parent: str
    child: str
    calls: int = Field(default=0, alias="callCount")


class DependenciesAnswer(Envelope):
    """The service graph."""

    data: Annotated[tuple[Dependency, ...], BeforeValidator(_or_none)] = ()


class DependenciesAnswer3(Told):
    """The service graph, version 3."""

    dependencies: Annotated[tuple[Dependency, ...], BeforeValidator(_or_none)] = ()


class ServicesAnswer3(Told):
    """Services by name, version 3. Without any the answer is empty; one that tells something else is none."""

    services: tuple[str, ...]

    @model_validator(mode="before")
    @classmethod
    def _nothing(cls, told: object) -> object:
        return told or {"services": ()}


class TracesAnswer3(Told):
    """Whole traces, version 3: the parts of all of them in one."""

    result: Traces = Traces()


def rows_of_jaeger(traces: Sequence[JaegerTrace]) -> Iterator[SpanRow]:
    """The spans, one by one."""
    for trace in traces:
        origins = {name: origin_from(_attributes(process)) for name, process in trace.processes.items()}
        for span in trace.spans:
            tags = {tag.key: tag.text for tag in span.tags}
            kind = kind_of(tags.get("span.kind", ""))
            origin = origins.get(span.process) or origin_from({})
            yield SpanRow(
                identifier(span.trace_id, TRACE_DIGITS),
                identifier(span.span_id, SPAN_DIGITS),
                identifier(_parent(span), SPAN_DIGITS),
                origin.service or UNKNOWN,
                origin.pod,
                origin.node,
                span.operation,
                kind,
                span.start_us,
                span.duration_us,
                _status(tags),
                *callee_of(kind, {key: text[:NAME_LENGTH] for key, text in tags.items()}),
                *_link(span),
            )


def _attributes(process: Process) -> dict[str, str]:
    told = {tag.key: tag.text[:NAME_LENGTH] for tag in process.tags}
    if INSTANCE_TAG not in told and told.get(HOST_TAG):
        told[INSTANCE_TAG] = told[HOST_TAG]
    return {**told, "service.name": process.service[:NAME_LENGTH]}


def _parent(span: JaegerSpan) -> str:
    """The span that this one is a child of; else one that it follows. References into other traces are links."""
    own = [reference for reference in span.references if reference.trace_id in ("", span.trace_id)]
    children = [reference for reference in own if reference.kind == "CHILD_OF"]
    return next((reference.span_id for reference in (*children, *own)), "")


def _link(span: JaegerSpan) -> tuple[str, str]:
    """The first reference into another trace."""
    away = (each for each in span.references if each.trace_id not in ("", span.trace_id))
    return next((link(each.trace_id, each.span_id) for each in away), ("", ""))


def _status(tags: Mapping[str, str]) -> str:
    """The tag ``error`` is true, "true", or "unset" where there is none."""
    code = tags.get("otel.status_code", "").lower()
    if code == "error" or tags.get("error") == "true":
        return "error"
    return "ok" if code == "ok" or (not code and tags.get("error") == "false") else "unset"
