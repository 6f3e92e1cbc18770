import asyncio
import contextlib
from typing import Any

import redis.exceptions
from opentelemetry import propagate, trace
from opentelemetry.instrumentation.utils import suppress_instrumentation

from deploy.testbed.program.clients import CalleeError
from deploy.testbed.program.operations import Operations
from deploy.testbed.program.telemetry import STREAM_LAG, log

GROUP = "workers"


async def consume(operations: Operations, stream: str, pod: str) -> None:
    """Takes messages from a Redis stream, for ever; each is consumed within the trace of who published it."""
    while True:
        try:
            with suppress_instrumentation():
                messages = await _next(operations, stream, pod)
            for number, fields in messages:
                await _handle(operations, stream, fields)
                with suppress_instrumentation():
                    await operations.redis.xack(stream, GROUP, number)
        except redis.exceptions.RedisError as error:
            log.warning(f"stream {stream}: {type(error).__name__}: {error}")
            await asyncio.sleep(1)


async def _next(operations: Operations, stream: str, pod: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
    client: Any = operations.redis
    with contextlib.suppress(redis.exceptions.ResponseError):  # it is there already
        await client.xgroup_create(stream, GROUP, id="$", mkstream=True)
    told = await client.xreadgroup(GROUP, pod, {stream: ">"}, count=10, block=1000)
    groups = await client.xinfo_groups(stream)
    STREAM_LAG.set(sum(int(group.get("lag") or 0) for group in groups))
    return [message for _, messages in told for message in messages]


async def _handle(operations: Operations, stream: str, fields: dict[bytes, bytes]) -> None:
    context = propagate.extract({"traceparent": fields.get(b"traceparent", b"").decode()})
    tracer = trace.get_tracer("shop")
    with tracer.start_as_current_span(f"consume {stream}", context, kind=trace.SpanKind.CONSUMER) as span:
        try:
            await operations.run("consume")
        except (CalleeError, RuntimeError) as error:
            span.set_status(trace.StatusCode.ERROR)
            log.error(f"message of {stream} was not handled: {error}")
