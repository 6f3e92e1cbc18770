"""The incident store with a clock beside it, whichever it is."""

import functools
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

from service.errors import StoreError
from service.jobs.store import IncidentStore
from service.telemetry import Meters, span


def measured(store: IncidentStore, meters: Meters) -> IncidentStore:
    """The store, each of whose operations is timed and, within a trace, a span; those that it cannot do are counted."""
    return cast("IncidentStore", _Measured(store, meters))


class _Measured:
    def __init__(self, store: IncidentStore, meters: Meters) -> None:
        self._store = store
        self._meters = meters

    def __getattr__(self, name: str) -> object:
        """Called for what is not here yet: from then on it is."""
        found = getattr(self._store, name)
        if inspect.iscoroutinefunction(found):
            found = self._timed(name, found)
        self.__dict__[name] = found
        return found

    def _timed(self, name: str, operation: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[object]]:
        seconds, failures = self._meters.store_seconds.labels(name), self._meters.store_failures.labels(name)

        @functools.wraps(operation)
        async def timed(*args: Any, **named: Any) -> object:
            started = time.perf_counter()
            try:
                with span(f"store {name}"):
                    return await operation(*args, **named)
            except StoreError:
                failures.inc()
                raise
            finally:
                seconds.observe(time.perf_counter() - started)

        return timed
