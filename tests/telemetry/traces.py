"""Spans as trees, for tests."""

from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


def tree(spans: Sequence[ReadableSpan], root: int | None = None, depth: int = 0) -> list[str]:
    """Names by their start, each indented below its parent; ``root`` is the span id that the first ones hang on."""
    lines: list[str] = []
    for span in sorted(spans, key=lambda s: s.start_time or 0):
        assert span.context is not None
        if (span.parent.span_id if span.parent else None) == root:
            lines += ["  " * depth + span.name, *tree(spans, span.context.span_id, depth + 1)]
    return lines


def named(exporter: InMemorySpanExporter, name: str) -> ReadableSpan:
    """The only span of that name."""
    (found,) = [span for span in exporter.get_finished_spans() if span.name == name]
    return found
