"""Carries out operations as the shop file tells them."""

import asyncio
import math
import random
import time
from dataclasses import dataclass, field

import redis.exceptions
from opentelemetry import propagate, trace
from redis.asyncio import Redis

from deploy.testbed.program.clients import ROWS, CalleeError, Callees, Database
from deploy.testbed.program.telemetry import log
from deploy.testbed.program.trouble import Trouble
from deploy.testbed.topology import Operation, Shop, Step

STREAM_LIMIT = 5000
CPU_SHARE = 0.2


class WrongResultError(RuntimeError):
    """A callee's answer does not add up."""


def expected_sum(shop: Shop, target: str) -> int:
    """What an operation answers when all is well: one, and what its callees answer that it cannot do without."""
    steps = (step for step in shop.operation(target).steps if not step.optional)
    return 1 + sum(expected_sum(shop, callee) for step in steps for callee in step.targets)


@dataclass(slots=True)
class Operations:
    """The operations of one service in one process."""

    shop: Shop
    service: str
    callees: Callees
    database: Database
    redis: Redis
    trouble: Trouble
    _sums: dict[str, int] = field(default_factory=dict[str, int])

    async def run(self, name: str) -> dict[str, int]:
        """Does an operation and answers with its sum. Raises `CalleeError`, `WrongResultError`, or what a bug would."""
        told = self.shop.services[self.service].operations[name]
        await self.trouble.suffer(name)
        wrong = self.trouble.wrong(name)
        if wrong and self.trouble.ailment.early:
            return {"sum": 0}
        await _work(told.work_ms)
        total = 1
        for step in told.steps:
            total += await self._step(step, told)
            for _ in range(self.trouble.repeats(name)):
                await self._step(step, told)
        if told.log:
            log.info(told.log.replace("{}", str(random.randint(1000, 99_999))))
        return {"sum": -total if wrong else total}

    async def _step(self, step: Step, told: Operation) -> int:
        try:
            return await self._do(step, told)
        except CalleeError as error:
            if not step.optional:
                raise
            log.warning(f"going on without {error}")
            return 0

    async def _do(self, step: Step, told: Operation) -> int:
        if step.targets:
            sums = await asyncio.gather(*(self._ask(target, step, told) for target in step.targets))
            return 0 if step.optional else sum(sums)
        if step.read:
            await self.database.read(step.read)
        elif step.write:
            await self.database.write(step.write)
        else:
            await self._redis(step)
        return 0

    async def _ask(self, target: str, step: Step, told: Operation) -> int:
        answer = await self._insist(target, step)
        if told.checks and answer["sum"] != (wanted := self._wanted(target)):
            raise WrongResultError(f"result of {target} does not add up: {answer['sum']} instead of {wanted}")
        return answer["sum"]

    async def _insist(self, target: str, step: Step) -> dict[str, int]:
        timeout_s = self.trouble.timeout_s(target.partition("/")[0], step.timeout_ms / 1000)
        for _ in range(step.retries):
            try:
                return await self.callees.ask(target, timeout_s)
            except CalleeError as error:
                log.warning(f"trying again: {error}")
                await asyncio.sleep(0.03)
        return await self.callees.ask(target, timeout_s)

    def _wanted(self, target: str) -> int:
        if target not in self._sums:
            self._sums[target] = expected_sum(self.shop, target)
        return self._sums[target]

    async def _redis(self, step: Step) -> None:
        try:
            if step.publish:
                await self._publish(step.publish)
            else:
                key = f"{step.cache}:{random.randint(1, ROWS)}"
                if await self.redis.get(key) is None:
                    await self.redis.set(key, "1", ex=300)
        except redis.exceptions.RedisError as error:
            raise CalleeError(f"{step.cache or step.publish}: {type(error).__name__}: {error}", 503) from None

    async def _publish(self, stream: str) -> None:
        tracer = trace.get_tracer("shop")
        with tracer.start_as_current_span(f"publish {stream}", kind=trace.SpanKind.PRODUCER):
            carrier: dict[str, str] = {}
            propagate.inject(carrier)
            await self.redis.xadd(stream, {"traceparent": carrier.get("traceparent", "")}, maxlen=STREAM_LIMIT)


async def _work(work_ms: float) -> None:
    """Takes about that long, with the spread of real work; a part of it is really computed."""
    seconds = work_ms / 1000 * math.exp(random.gauss(0, 0.25))
    until = time.perf_counter() + seconds * CPU_SHARE
    while time.perf_counter() < until:
        pass
    await asyncio.sleep(seconds * (1 - CPU_SHARE))
