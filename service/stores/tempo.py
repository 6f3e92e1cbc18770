"""Tempo, and what speaks its API: traces, found by TraceQL."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from itertools import chain

import pyarrow as pa

from service.concurrency import gather
from service.domain.window import Window
from service.errors import BackendError
from service.stores.aside import aside, read
from service.stores.backend import Backend
from service.stores.otlp_json import ResourceSpans, rows_of
from service.stores.span_rows import SpanRow, span_table
from service.stores.tempo_wire import SearchAnswer, TagValues, TraceAnswer, trace_ql
from service.stores.trace_sampling import Asked, Found, TracePlan, known_among, sampled_spans

ANY = ""
AROUND = timedelta(minutes=15)
"""Where a trace is looked for: so long before and after the time in which it was found."""
MOST_SPANS = 100
"""Spans that a search tells of one trace: a Tempo that nobody configured refuses to tell more."""
OF_LIMIT, MOST_ONE_BY_ONE = 2, 8
"""Of traces that have more spans, or of a server that cannot tell them all, half are asked for one by one, and so many
at most of one search.
"""


class Tempo:
    """Answers for traces. One search tells whole traces where Tempo can select their spans' parents (2.7 or later) and
    they are not large; others are asked for one by one, a part of them, so that the questions stay few.

    Tempo finds a trace some seconds after it was written: the very newest are not there yet.

    Its TraceQL metrics are not used. Rates and quantiles of an edge would be of all traces, not of a sample, but
    without the operation and the entry that led to a call: evidence compares within these, or another mix of requests
    looks like a fault. Time that no child covers cannot be asked for at all, and quantiles come from buckets of powers
    of two, coarser than what a sample of a hundred leaves open.
    """

    def __init__(self, backend: Backend, plan: TracePlan | None = None) -> None:
        self._backend = backend
        self._plan = plan or TracePlan()
        self._selects: bool | None = None
        """Whether it knows what we select: None until it was asked."""
        self._large: set[str] = set()
        """Services whose traces have more spans than a search tells: it is not asked to."""

    @property
    def name(self) -> str:
        """What people call it."""
        return self._backend.name

    async def spans(self, window: Window, alerting: Sequence[str] = (), traces: Sequence[str] = ()) -> pa.Table:
        """Spans of the window, a sample where there are many (`trace_sampling`). Raises `BackendError`."""
        return await sampled_spans(self, window, alerting, self._plan, traces)

    async def found(self) -> str:
        """What answers there, in one line. Raises `BackendError`."""
        return f"{self.name} {self._backend.access.shown}: {len(await self._services())} services"

    async def focus(self, window: Window, alerting: Sequence[str]) -> Sequence[str]:
        """Services that alert, as far as Tempo knows them; else any."""
        if not alerting:
            return [ANY]
        return known_among(alerting, await self._services(window)) or [ANY]

    async def search(self, asked: Asked) -> Found:
        """Traces through a service. Raises `BackendError`."""
        found = await self._found(asked)
        rest = [trace_id for trace_id, rows in found if trace_id and not rows]
        few = rest[: min(-(-asked.limit // OF_LIMIT), MOST_ONE_BY_ONE)]
        one_by_one = await gather(*(self._trace(trace_id, asked.window) for trace_id in few))
        if few:
            self._note_size(asked.service, one_by_one)
        told = [row for _, rows in found for row in rows]
        table = await aside(lambda: span_table(chain(told, *map(rows_of, one_by_one))))
        return Found(table, len(found) if few == rest else asked.limit, trace_ql(asked, whole=False))

    async def trace(self, trace_id: str, window: Window) -> pa.Table:
        """The spans of one trace, none if it is not there. Raises `BackendError`."""
        sent = await self._trace(trace_id, window)
        return await aside(lambda: span_table(rows_of(sent)))

    def _note_size(self, service: str, traces: Sequence[Sequence[ResourceSpans]]) -> None:
        spans = sum(len(scope.spans) for trace in traces for part in trace for scope in part.scopes)
        (self._large.add if spans > MOST_SPANS * len(traces) else self._large.discard)(service)

    async def _services(self, window: Window | None = None) -> list[str]:
        """Services of the time; of a while until now without."""
        parameters = None if window is None else _ends(window)
        path = "/api/v2/search/tag/resource.service.name/values"
        answer = await self._backend.told(TagValues, "GET", path, params=parameters)
        return [each.value for each in answer.values]

    async def _found(self, asked: Asked) -> "Sequence[_Told]":
        """What a search tells; a server that refuses to select is asked without."""
        if self._selects is False or asked.service in self._large:
            return await self._searched(asked, whole=False)
        try:
            found = await self._searched(asked, whole=True)
        except BackendError:
            if self._selects:
                raise
            found = await self._searched(asked, whole=False)
            self._selects = False
        else:
            self._selects = True
        return found

    async def _searched(self, asked: Asked, *, whole: bool) -> "Sequence[_Told]":
        parameters = {
            "q": trace_ql(asked, whole=whole),
            "limit": str(asked.limit),
            "spss": str(MOST_SPANS if whole else 1),
            **_ends(asked.window),
        }
        body = await self._backend.ask("GET", "/api/search", params=parameters)
        return await read(partial(self._read, whole), body or b"")

    def _read(self, whole: bool, body: bytes) -> "Sequence[_Told]":
        answer = self._backend.parsed(SearchAnswer, body)
        return [(trace.trace_id, trace.rows() if whole else []) for trace in answer.traces]

    async def _trace(self, trace_id: str, window: Window) -> Sequence[ResourceSpans]:
        """One trace of about that time; nothing of one that is not there any more. An older Tempo has only the second
        path.
        """
        around = Window(window.start - AROUND, window.end + AROUND)
        for path in (f"/api/v2/traces/{trace_id}", f"/api/traces/{trace_id}"):
            body = await self._backend.ask("GET", path, params=_ends(around), missing_ok=True)
            if body is not None:
                answer = await read(partial(self._backend.parsed, TraceAnswer), body)
                return answer.sent
        return ()


_Told = tuple[str, list[SpanRow]]
"""The id of a trace and its spans, none if the search did not tell them all."""


def _ends(window: Window) -> dict[str, str]:
    """Whole seconds, the window within them."""
    return {"start": str(int(window.start.timestamp())), "end": str(int(window.end.timestamp()) + 1)}
