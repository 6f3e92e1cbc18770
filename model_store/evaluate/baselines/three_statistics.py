"""The largest of three plain statistics, nothing learned and nothing weighed up: what a rank must beat before it may be
called one.

Per service the largest of (a) over its incoming calls, how much longer callers wait on it than it works, and how much
longer its own operations work, as log ratios; (b) how far the share of an operation's executions that write a given log
statement moved, either way, as a two-proportion z; (c) how far its use of cpu rose, as a log ratio. *Now* is from the
estimated onset on.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa

from model_store.evaluate.baselines.deviations import CPU
from model_store.evaluate.baselines.gap import median_waits_us
from model_store.evaluate.baselines.series import groups, metric_series, since_onset
from service.domain.component import Component, service
from service.view.view import View

LEAST_WAIT_US = 2_000.0
WAIT_UNIT = 0.7
SELF_TIME_SHARE = 0.7
LEAST_CPU = 5.0
CPU_UNIT = 0.4
CPU_USUAL = 0.95

_LEVEL = re.compile(r"\b(ERROR|WARN|INFO|DEBUG|TRACE|FATAL)\b")
_PLACE = re.compile(r"[\w.$]+#\d+")
_NUMBERS = re.compile(r"[0-9a-fA-F]*\d[0-9a-fA-F-]*")


def three_statistics(view: View) -> dict[Component, float]:
    """The largest of the three for each service or node that has any of them."""
    largest: defaultdict[Component, float] = defaultdict(float)
    for component, value in (*_times(view), *_statements(view), *_cpu(view)):
        largest[component] = max(largest[component], value)
    return dict(largest)


def _times(view: View) -> Iterator[tuple[Component, float]]:
    spans = view.tables.spans
    if spans is None or spans.before is None:
        return
    late = since_onset(view, spans, "start").now
    before, now = median_waits_us(spans.before), median_waits_us(late)
    for call, wait_us in now.items():
        if call in before:
            yield service(call[1]), _log_ratio(wait_us, before[call], LEAST_WAIT_US) / WAIT_UNIT
    before, now = _median_self_us(spans.before), _median_self_us(late)
    for execution, self_us in now.items():
        if execution in before:
            grown = _log_ratio(self_us, before[execution], LEAST_WAIT_US) / WAIT_UNIT
            yield service(execution[0]), SELF_TIME_SHARE * grown


def _log_ratio(now: float, before: float, floor: float) -> float:
    return float(np.log((max(now, 0.0) + floor) / (max(before, 0.0) + floor)))


def _median_self_us(spans: pa.Table) -> dict[tuple[str, ...], float]:
    """For each (service, operation): the median of its spans' durations less the sum of their children's."""
    children = spans.select(["trace_id", "parent_span_id", "duration_us"]).group_by(["trace_id", "parent_span_id"])
    summed = children.aggregate([("duration_us", "sum")])
    joined = spans.select(["trace_id", "span_id", "service", "operation", "duration_us"]).join(
        summed,
        keys=["trace_id", "span_id"],
        right_keys=["trace_id", "parent_span_id"],
        join_type="left outer",
        use_threads=False,
    )
    own = np.asarray(joined["duration_us"]) - np.nan_to_num(np.asarray(joined["duration_us_sum"], dtype=np.float64))
    return {key: float(np.median(own[rows])) for key, rows in groups(joined, ["service", "operation"])}


def _statements(view: View) -> Iterator[tuple[Component, float]]:
    spans, logs = view.tables.spans, view.tables.logs
    if spans is None or spans.before is None or logs is None or logs.before is None:
        return
    late_spans, late_logs = since_onset(view, spans, "start").now, since_onset(view, logs, "time").now
    executions_now, executions_before = _executions(late_spans), _executions(spans.before)
    now, before = _writing(late_spans, late_logs), _writing(spans.before, logs.before)
    for statement in dict.fromkeys([*now, *before]):
        owner, operation, _ = statement
        n_now, n_before = executions_now.get((owner, operation), 0), executions_before.get((owner, operation), 0)
        if n_now and n_before:
            yield service(owner), _two_proportion_z(now.get(statement, 0), n_now, before.get(statement, 0), n_before)


def _two_proportion_z(hits_now: int, n_now: int, hits_before: int, n_before: int) -> float:
    pooled = (hits_now + hits_before) / (n_now + n_before)
    variance = pooled * (1 - pooled) * (1 / n_now + 1 / n_before)
    return abs(hits_now / n_now - hits_before / n_before) / variance**0.5 if variance > 0 else 0.0


def _executions(spans: pa.Table) -> dict[tuple[str, ...], int]:
    return {key: len(rows) for key, rows in groups(spans, ["service", "operation"])}


def _writing(spans: pa.Table, logs: pa.Table) -> dict[tuple[str, ...], int]:
    """For each (service, operation, statement) how many executions wrote it."""
    encoded = logs["body"].combine_chunks().dictionary_encode()
    statements = pa.array([_statement(str(body)) for body in encoded.dictionary.to_pylist()], pa.string())
    lines = logs.select(["trace_id", "span_id"]).append_column("statement", statements.take(encoded.indices))
    joined = lines.join(
        spans.select(["trace_id", "span_id", "service", "operation"]),
        keys=["trace_id", "span_id"],
        join_type="inner",
        use_threads=False,
    )
    once = joined.group_by(["trace_id", "span_id", "service", "operation", "statement"]).aggregate([])
    return {key: len(rows) for key, rows in groups(once, ["service", "operation", "statement"])}


def _statement(body: str) -> str:
    """Level and code place where a line tells its place, else its text without numbers."""
    if (place := _PLACE.search(body)) is None:
        return _NUMBERS.sub("#", body)
    level = _LEVEL.search(body)
    return f"{level[0] if level else ''} {place[0]}"


def _cpu(view: View) -> Iterator[tuple[Component, float]]:
    metrics = view.tables.metrics
    if metrics is None:
        return
    late = replace(view, tables=replace(view.tables, metrics=since_onset(view, metrics, "time")))
    for series in metric_series(late):
        if CPU.search(series.name):
            usual = float(np.quantile(series.before, CPU_USUAL))
            yield series.component, _log_ratio(float(series.now.max()), usual, LEAST_CPU) / CPU_UNIT
