"""What Tempo is asked, in TraceQL, and what it answers with."""

import json
from collections.abc import Sequence
from typing import Annotated

from pydantic import AliasChoices, BeforeValidator, Field

from service.stores.callees import ATTRIBUTES, callee_of
from service.stores.embedded.origin import UNKNOWN, origin_from
from service.stores.otlp_json import (
    Attribute,
    Nanoseconds,
    ResourceSpans,
    Told,
    Traces,
    attributes_of,
    kind_of,
    status_of,
)
from service.stores.span_rows import SPAN_DIGITS, TRACE_DIGITS, SpanRow, identifier
from service.stores.trace_sampling import Asked

PARENT, SERVICE = "span:parentID", "service.name"
_OF_RESOURCE = (SERVICE, "service.instance.id", "k8s.pod.name", "k8s.node.name", "host.name", "container.id")
SELECTED = ", ".join(
    [
        *("name", "kind", "status", PARENT),
        *(f"resource.{name}" for name in _OF_RESOURCE),
        *(f"span.{name}" for name in ATTRIBUTES),
    ]
)
"""What makes a row. Links cannot be selected: those of traces that are asked for one by one are known."""


def trace_ql(asked: Asked, *, whole: bool) -> str:
    """The search as TraceQL: the spans that fit, or, ``whole``, all spans of the traces that have such a span, with
    what makes a row. Text is quoted as in Go, of which JSON is a part.
    """
    conditions = [f"resource.service.name = {json.dumps(asked.service)}"] if asked.service else []
    if asked.failed:
        conditions.append("status = error")
    if asked.at_least_us:
        conditions.append(f"duration >= {asked.at_least_us}us")
    if not whole:
        return f"{{ {' && '.join(conditions)} }}"
    everything = f"({{ {' && '.join(conditions)} }} && {{ }})" if conditions else "{ }"
    return f"{everything} | select({SELECTED})"


def _or_none(value: object) -> object:
    return () if value is None else value


class FoundSpan(Told):
    """A span as a search tells of it."""

    span_id: str = Field(default="", alias="spanID")
    name: str = ""
    start_ns: Nanoseconds = Field(default=0, alias="startTimeUnixNano")
    duration_ns: Nanoseconds = Field(default=0, alias="durationNanos")
    attributes: tuple[Attribute, ...] = ()


class SpanSet(Told):
    """The spans of a trace that fit, or as many of them as a search may tell of."""

    spans: tuple[FoundSpan, ...] = ()
    matched: int = 0


class FoundTrace(Told):
    """A trace as a search tells of it."""

    id: str = Field(alias="traceID")
    sets: Annotated[tuple[SpanSet, ...], BeforeValidator(_or_none)] = Field(default=(), alias="spanSets")

    @property
    def trace_id(self) -> str:
        """Its id with the zeros that a search leaves out; "" if it is none."""
        return identifier(self.id, TRACE_DIGITS)

    def rows(self) -> list[SpanRow]:
        """All spans that fit, or none if the search does not tell them all with what makes a row."""
        told = [(span, attributes_of(span.attributes)) for one in self.sets for span in one.spans]
        if not told or len(told) < sum(one.matched for one in self.sets):
            return []
        nested = len(told) == 1 or any(attributes.get(PARENT) for _, attributes in told)
        if not nested or not all(SERVICE in attributes for _, attributes in told):
            return []
        return [_row(self.trace_id, span, attributes) for span, attributes in told]


class SearchAnswer(Told):
    """What a search found."""

    traces: Annotated[tuple[FoundTrace, ...], BeforeValidator(_or_none)] = ()


class TraceAnswer(Told):
    """One trace: under ``trace``, or as older versions have it."""

    trace: Traces = Traces()
    batches: tuple[ResourceSpans, ...] = Field(default=(), validation_alias=AliasChoices("batches", "resourceSpans"))

    @property
    def sent(self) -> Sequence[ResourceSpans]:
        """Its spans by sender."""
        return self.trace.resource_spans or self.batches


class TagValue(Told):
    """One value of a tag."""

    value: str = ""


class TagValues(Told):
    """The values of a tag."""

    values: Annotated[tuple[TagValue, ...], BeforeValidator(_or_none)] = Field(default=(), alias="tagValues")


def _row(trace_id: str, span: FoundSpan, attributes: dict[str, str]) -> SpanRow:
    origin = origin_from(attributes)
    kind = kind_of(attributes.get("kind", ""))
    return SpanRow(
        trace_id,
        identifier(span.span_id, SPAN_DIGITS),
        identifier(attributes.get(PARENT, ""), SPAN_DIGITS),
        origin.service or UNKNOWN,
        origin.pod,
        origin.node,
        span.name,
        kind,
        span.start_ns // 1000,
        span.duration_ns // 1000,
        status_of(attributes.get("status", "")),
        *callee_of(kind, attributes),
    )
