"""What the service needs of the world.

Telemetry crosses as Arrow tables with exactly these schemas (CASE format case/1): there is no object per span or per
log line. Strings are never null: unknown is "". Times are UTC with microseconds. Every store answers for any window;
an answer without rows is an empty table, a store that cannot answer raises `service.errors.BackendError`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa

from service.domain.alert import Alert
from service.domain.localization import ModelIdentity
from service.domain.window import Window

TIME = pa.timestamp("us", tz="UTC")

SPANS = pa.schema(
    [
        ("trace_id", pa.string()),
        ("span_id", pa.string()),
        ("parent_span_id", pa.string()),  # "" for a root
        ("service", pa.string()),
        ("pod", pa.string()),
        ("node", pa.string()),
        ("operation", pa.string()),
        ("kind", pa.string()),  # server, client, internal, producer, consumer or ""
        ("start", TIME),
        ("duration_us", pa.int64()),
        ("status", pa.string()),  # ok, error, unset
        ("peer", pa.string()),  # whom it speaks to, by its attributes
        ("peer_role", pa.string()),  # database, cache, queue, external or ""
        ("linked_trace_id", pa.string()),  # the span that its first link names
        ("linked_span_id", pa.string()),
    ]
)
ADDED = frozenset({"peer", "peer_role", "linked_trace_id", "linked_span_id"})
"""Columns that recordings and stores of before them lack: "" in all their rows."""
LOGS = pa.schema(
    [
        ("time", TIME),
        ("service", pa.string()),
        ("pod", pa.string()),
        ("node", pa.string()),
        ("severity", pa.string()),
        ("body", pa.string()),
        ("trace_id", pa.string()),
        ("span_id", pa.string()),
    ]
)
METRICS = pa.schema(
    [
        ("time", TIME),
        ("component", pa.string()),
        ("kind", pa.string()),  # service, pod, node, edge
        ("service", pa.string()),
        ("metric", pa.string()),
        ("unit", pa.string()),
        ("value", pa.float64()),
    ]
)
TOPOLOGY = pa.schema([("source", pa.string()), ("target", pa.string()), ("relation", pa.string())])  # calls, runs_on
CHANGES = pa.schema(
    [
        ("time", TIME),
        ("service", pa.string()),
        ("kind", pa.string()),  # deploy, config, scale, restart
        ("summary", pa.string()),
    ]
)


class TraceStore(Protocol):
    """Answers with spans (`SPANS`) that start in the window."""

    async def spans(self, window: Window, alerting: Sequence[str] = (), traces: Sequence[str] = ()) -> pa.Table:
        """Spans of the window. A store that can only look at a part of them chooses traces of the alerting services,
        among them those with one of these ids (`ExemplarStore`).
        """
        ...


class LogStore(Protocol):
    """Answers with log records (`LOGS`) of the window."""

    async def logs(self, window: Window) -> pa.Table:
        """Records of the window."""
        ...


class MetricStore(Protocol):
    """Answers with samples (`METRICS`) of the window."""

    async def metrics(self, window: Window, alerts: Sequence[Alert] = ()) -> pa.Table:
        """Samples of the window. A store that can adds what the rules of these alerts look at."""
        ...


class ExemplarStore(Protocol):
    """Answers with traces that metrics name as examples of what they count."""

    async def exemplars(self, window: Window, alerts: Sequence[Alert] = ()) -> Sequence[str]:
        """Trace ids (32 hexadecimal digits) of the window, a handful at most: of what the rules of the alerts look at
        first, then of their services, the slowest first.
        """
        ...


class ChangeStore(Protocol):
    """Answers with changes (`CHANGES`) of the window."""

    async def changes(self, window: Window) -> pa.Table:
        """Changes of the window."""
        ...


class TopologyStore(Protocol):
    """Answers with who calls whom and what runs where (`TOPOLOGY`) as known for the window."""

    async def topology(self, window: Window) -> pa.Table:
        """Relations known for the window."""
        ...


@dataclass(frozen=True, slots=True)
class Telemetry:
    """The stores that are there, one a signal; None where a signal has no source. ``qualified``: services are called
    ``namespace/name`` where a store knows their namespace, else as they are recorded.
    """

    traces: TraceStore | None = None
    logs: LogStore | None = None
    metrics: MetricStore | None = None
    changes: ChangeStore | None = None
    topology: TopologyStore | None = None
    exemplars: ExemplarStore | None = None
    qualified: bool = False


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A function that the model may call, as JSON schema; ``parameters`` forbids additional properties."""

    name: str
    description: str
    parameters: dict[str, object]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a frame's conversation. An assistant's message holds the call it made, a tool's the answer."""

    role: str  # system, user, assistant, tool
    content: str
    call_name: str = ""
    call_arguments: str = ""  # JSON
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One turn asked of a model: the frame's conversation so far and the tools; ``allowed`` restricts the call to
    these names (the tools shown stay the same, so that what is rendered at the top of a frame never changes).
    """

    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...]
    allowed: tuple[str, ...]
    max_tokens: int = 256


@dataclass(frozen=True, slots=True)
class ChatReply:
    """What the model wrote: a call (name and JSON arguments), or free text, which the parser will call malformed."""

    call_name: str = ""
    call_arguments: str = ""
    text: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    token_ids: tuple[int, ...] = field(default=())


class ChatModel(Protocol):
    """A model that makes one move for each of several frames at once."""

    @property
    def identity(self) -> ModelIdentity:
        """Which model it is, as far as is known by now."""
        ...

    @property
    def rendering(self) -> str:
        """The words in which frames are put to it: "aliases" or "names"."""
        ...

    async def reply(self, requests: Sequence[ChatRequest], timeout_s: float) -> list[ChatReply]:
        """One move for each request, in their order, within ``timeout_s``. Raises `service.errors.ModelError`."""
        ...
