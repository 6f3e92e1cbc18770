"""Steps of what is traced. Who begins a trace says by which tracer (`continued`); what is done within tells of its
steps (`span`, `calling`) without knowing of it. Where nobody traces, in an evaluation or in training, they cost next
to nothing.
"""

from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from types import TracebackType
from typing import cast
from urllib.parse import urlsplit

from opentelemetry.context import Context, attach, create_key, detach, get_value, set_value
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, get_current_span, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from service.errors import HypocenterError

Attributes = Mapping[str, str | int | float | bool]

_TRACER = create_key("hypocenter-tracer")
_W3C = TraceContextTextMapPropagator()
_HEADER = "traceparent"


@contextmanager
def continued(tracer: Tracer, traceparent: str) -> Generator[None]:
    """What is done within goes on with a trace (W3C); with one of its own where there is none, or nonsense."""
    empty = set_value(_TRACER, tracer, Context())
    token = attach(_W3C.extract({_HEADER: traceparent}, empty) if traceparent else empty)
    try:
        yield
    finally:
        detach(token)


def traceparent() -> str:
    """The active span as others may go on with it (W3C); "" where there is none."""
    return _sent().get(_HEADER, "")


@contextmanager
def span(
    name: str, attributes: Attributes | None = None, kind: SpanKind = SpanKind.INTERNAL, began_ns: int | None = None
) -> Generator[Span]:
    """A step. What it raises is told by its type, and by its text only where the error is one of ours, whose text is
    meant to be read: others may hold what was in a prompt. Of what nobody records, steps are no spans of their own.
    """
    tracer, around = cast("Tracer | None", get_value(_TRACER)), get_current_span()
    if tracer is None or _unrecorded(around):
        yield around
        return
    opened = tracer.start_span(name, None, kind, attributes, start_time=began_ns)
    token = attach(set_span_in_context(opened))
    try:
        with ExitStack() as stack:
            stack.push(partial(_fail, opened))
            yield opened
    finally:
        detach(token)
        opened.end()


def _unrecorded(active: Span) -> bool:
    """Whether this span of ours is recorded nowhere; who sent us one may have done with it what they liked."""
    told = active.get_span_context()
    return told.is_valid and not told.is_remote and not active.is_recording()


class Call:
    """A request to another server: its span, and the headers by which that server may go on with the trace."""

    def __init__(self, active: Span) -> None:
        self._active = active
        self.headers = _sent()

    def answered(self, status: int) -> None:
        """The server answered."""
        self._active.set_attribute("http.response.status_code", status)
        if status >= 400:
            self._active.set_attribute("error.type", str(status))
            self._active.set_status(StatusCode.ERROR)


@contextmanager
def calling(peer: str, method: str, url: str) -> Generator[Call]:
    """A request to a server that people call ``peer``. Of the address, what may be a secret or a question is left out:
    who is asked with which credentials, and the query.
    """
    told: dict[str, str | int] = {"http.request.method": method, "service.peer.name": peer, **_address(url)}
    with span(method, told, SpanKind.CLIENT) as active:
        yield Call(active)


def _address(url: str) -> dict[str, str | int]:
    try:
        parts = urlsplit(url)
        port = {"server.port": parts.port} if parts.port else {}
    except ValueError:  # it is no address: who asks will say so
        return {}
    return {"server.address": parts.hostname or "", "url.scheme": parts.scheme, "url.path": parts.path, **port}


def _sent() -> dict[str, str]:
    carrier: dict[str, str] = {}
    _W3C.inject(carrier)
    return carrier


def _fail(
    active: Span, kind: type[BaseException] | None, error: BaseException | None, _where: TracebackType | None
) -> None:
    if kind is None:
        return
    if "error.type" not in (getattr(active, "attributes", None) or {}):
        active.set_attribute("error.type", kind.__name__)
    if isinstance(error, Exception):  # being cancelled is no failure
        active.set_status(StatusCode.ERROR, str(error) if isinstance(error, HypocenterError) else None)
