"""Where spans go: to a collector in batches, from a thread of their own. Whatever it does, nobody waits for it."""

import os
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace import Tracer

from service.telemetry.name import NAME

FAREWELL_S = 3.0
"""How long the last spans may take when the process ends; what a collector did not take until then is lost."""


def tracer(exporter: SpanExporter | None = None) -> Tracer:
    """Makes spans and hands each to the exporter when it ends. Without one there are only their ids, in log lines and
    for the servers that we ask, and a trace that came to us is passed on as it is.
    """
    if exporter is None:
        return _provider(ParentBased(ALWAYS_OFF)).get_tracer(NAME)
    provider = _provider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider.get_tracer(NAME)


@contextmanager
def exporting(endpoint: str = "", version: str = "") -> Generator[Tracer]:
    """Makes spans and sends them by OTLP/HTTP to the collector at ``endpoint`` (without ``/v1/traces``); without one,
    where OpenTelemetry's own variables say, which also say what else there is to say (``OTEL_EXPORTER_OTLP_HEADERS``,
    ``_TIMEOUT``, ``OTEL_BSP_*``, ``OTEL_TRACES_SAMPLER``, ``OTEL_RESOURCE_ATTRIBUTES``).
    """
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (
        OTLPSpanExporter,
    )  # who exports nothing pays nothing

    exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces" if endpoint else None)
    provider = _provider(version=version)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    try:
        yield provider.get_tracer(NAME, version)
    finally:
        farewell = threading.Thread(target=provider.shutdown, daemon=True)  # a hung collector holds up no exit
        farewell.start()
        farewell.join(FAREWELL_S)
        if farewell.is_alive():
            exporter.shutdown()  # it is not tried again: whoever lives on hears nothing more of it


def _provider(sampler: ParentBased | None = None, version: str = "") -> TracerProvider:
    """The name is ours whatever the environment says: by it we know our own telemetry again, and leave it out."""
    instance = f"{socket.gethostname()}-{os.getpid()}"
    told = {"service.name": NAME, "service.instance.id": instance, **({"service.version": version} if version else {})}
    return TracerProvider(sampler, Resource.create(told), shutdown_on_exit=False)
