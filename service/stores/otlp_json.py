"""Spans in OTLP's JSON, as query APIs answer with it: ids in hexadecimal or base64, enumerations by number or by name,
nanoseconds as text or as numbers.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from service.stores.callees import callee_of
from service.stores.embedded.origin import NAME_LENGTH, UNKNOWN, Origin, origin_from
from service.stores.span_rows import KINDS, SPAN_DIGITS, STATUSES, TRACE_DIGITS, SpanRow, identifier, link

Nanoseconds = Annotated[int, Field(ge=0, lt=2**63)]


class Told(BaseModel):
    """What a server tells: members that nobody asked for are not looked at."""

    model_config = ConfigDict(extra="ignore", frozen=True)


def _or_empty(value: object) -> object:
    return {} if value is None else value


class Value(Told):
    """An attribute's value; of lists and maps nothing is taken."""

    string: str | None = Field(default=None, alias="stringValue")
    integer: int | None = Field(default=None, alias="intValue")
    boolean: bool | None = Field(default=None, alias="boolValue")
    double: float | str | None = Field(default=None, alias="doubleValue")

    @property
    def text(self) -> str:
        """The value as text, "" for none."""
        plain = next((v for v in (self.string, self.boolean, self.integer, self.double) if v is not None), "")
        return str(plain).lower() if isinstance(plain, bool) else str(plain)


class Attribute(Told):
    """One attribute."""

    key: str
    value: Annotated[Value, BeforeValidator(_or_empty)] = Value()


class Resource(Told):
    """Who sent the spans."""

    attributes: tuple[Attribute, ...] = ()


class Status(Told):
    """Whether it went well."""

    code: int | str = 0


class Link(Told):
    """A span of this or another trace that caused this one."""

    trace_id: str = Field(default="", alias="traceId")
    span_id: str = Field(default="", alias="spanId")


def _or_none(value: object) -> object:
    return () if value is None else value


class Span(Told):
    """One span."""

    trace_id: str = Field(default="", alias="traceId")
    span_id: str = Field(default="", alias="spanId")
    parent_span_id: str = Field(default="", alias="parentSpanId")
    name: str = ""
    kind: int | str = 0
    start_ns: Nanoseconds = Field(default=0, alias="startTimeUnixNano")
    end_ns: Nanoseconds = Field(default=0, alias="endTimeUnixNano")
    status: Annotated[Status, BeforeValidator(_or_empty)] = Status()
    attributes: Annotated[tuple[Attribute, ...], BeforeValidator(_or_none)] = ()
    links: Annotated[tuple[Link, ...], BeforeValidator(_or_none)] = ()


class ScopeSpans(Told):
    """Spans of one library."""

    spans: tuple[Span, ...] = ()


class ResourceSpans(Told):
    """Spans of one sender."""

    resource: Annotated[Resource, BeforeValidator(_or_empty)] = Resource()
    scopes: tuple[ScopeSpans, ...] = Field(default=(), alias="scopeSpans")


class Traces(Told):
    """Whole traces, or parts of them."""

    resource_spans: tuple[ResourceSpans, ...] = Field(default=(), alias="resourceSpans")


def rows_of(sent: Sequence[ResourceSpans]) -> Iterator[SpanRow]:
    """The spans, one by one."""
    for each in sent:
        origin = origin_from(attributes_of(each.resource.attributes))
        for scope in each.scopes:
            for span in scope.spans:
                yield _row(span, origin)


def attributes_of(attributes: Sequence[Attribute]) -> dict[str, str]:
    """Attributes as text."""
    return {each.key: each.value.text[:NAME_LENGTH] for each in attributes}


def kind_of(told: int | str) -> str:
    """A span's kind by its number or its name: 2, "SPAN_KIND_SERVER" and "server" are one; "" where it has none."""
    return _named(told, KINDS, "span_kind_")


def status_of(told: int | str) -> str:
    """A span's status in the same way; "unset" where it has none."""
    return _named(told, STATUSES, "status_code_") or "unset"


def _named(told: int | str, names: dict[int, str], prefix: str) -> str:
    if isinstance(told, int):
        return names.get(told, "")
    name = told.lower().removeprefix(prefix)
    return name if name in names.values() else ""


def _row(span: Span, origin: Origin) -> SpanRow:
    start_us, end_us = span.start_ns // 1000, span.end_ns // 1000
    kind = kind_of(span.kind)
    return SpanRow(
        identifier(span.trace_id, TRACE_DIGITS),
        identifier(span.span_id, SPAN_DIGITS),
        identifier(span.parent_span_id, SPAN_DIGITS),
        origin.service or UNKNOWN,
        origin.pod,
        origin.node,
        span.name,
        kind,
        start_us,
        end_us - start_us,
        status_of(span.status.code),
        *callee_of(kind, attributes_of(span.attributes)),
        *next((link(each.trace_id, each.span_id) for each in span.links), ("", "")),
    )
