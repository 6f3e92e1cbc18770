import numpy as np
import pyarrow as pa

from model_store.evaluate.baselines.series import groups
from service.domain.component import Component, service
from service.view.view import View


def gap(view: View) -> dict[Component, float]:
    """The gap alone: of each callee, by how many µs the median wait of some caller on a call that the callee's own
    span does not cover has grown.
    """
    spans = view.tables.spans
    if spans is None or spans.before is None:
        return {}
    before = median_waits_us(spans.before)
    grown: dict[Component, float] = {}
    for (caller, callee), now_us in median_waits_us(spans.now).items():
        if (caller, callee) in before:
            growth = now_us - before[caller, callee]
            grown[service(callee)] = max(growth, grown.get(service(callee), growth))
    return grown


def median_waits_us(spans: pa.Table) -> dict[tuple[str, ...], float]:
    """For each (caller, callee): the median of the calling span's duration less the called span's."""
    parents = spans.select(["trace_id", "span_id", "service", "kind", "duration_us"])
    children = spans.select(["trace_id", "parent_span_id", "service", "duration_us"])
    calls = children.join(
        parents,
        keys=["trace_id", "parent_span_id"],
        right_keys=["trace_id", "span_id"],
        join_type="inner",
        right_suffix="_caller",
        use_threads=False,
    )
    caller, callee = calls["service_caller"].to_pylist(), calls["service"].to_pylist()
    # A server span that has children directly waits on more than one of them: no gap can be read off it.
    kinds = calls["kind"].to_pylist()
    crossing = [a != b and kind != "server" for a, b, kind in zip(caller, callee, kinds, strict=True)]
    calls = calls.filter(pa.array(crossing, pa.bool_()))
    gaps_us = np.asarray(calls["duration_us_caller"]) - np.asarray(calls["duration_us"])
    return {key: float(np.median(gaps_us[rows])) for key, rows in groups(calls, ["service_caller", "service"])}
