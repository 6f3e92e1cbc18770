"""From telemetry to evidence: the one way in."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from math import log, log1p

from service.domain.component import Component, ComponentKind, edge_ends
from service.domain.evidence import Evidence, EvidenceKind, Signal
from service.domain.graph import ServiceGraph
from service.evidence.assessment import Assessment
from service.evidence.changes import change_evidence
from service.evidence.constants import (
    ERRORS_TAKEN_OFF,
    LEAST_LEFT,
    LEAST_NEAR_S,
    LEAST_WIDTH_SHARE,
    ROWS_PER_SUBJECT,
    SCORE_LIMIT,
    SCORE_SHOWN,
    UNMEASURED_WIDTH,
)
from service.evidence.metric_class import metric_class
from service.evidence.onset import Onset, estimate_onset
from service.evidence.reading import Reading, read
from service.evidence.stretch import Stretch
from service.evidence.tables import Tables

Group = tuple[str, str]
Key = tuple[str, Component, str, str]


def assess(tables: Tables, graph: ServiceGraph) -> Assessment:
    """Everything that the tables say about the time since the onset against their baselines, largest effect first,
    with ids e0, e1, … in that order.

    A signal without a baseline gives no rows: it can be described, never called new.
    """
    reading = read(tables, graph)
    onset = estimate_onset(reading)
    return assess_since(tables, reading, onset, near_stretch(reading, onset))


def near_stretch(reading: Reading, onset: Onset) -> Stretch | None:
    """The time of the window before the onset, where it is long enough to be compared with."""
    return Stretch(end_s=onset.earliest_s) if onset.earliest_s > reading.begin_s + LEAST_NEAR_S else None


def assess_since(tables: Tables, reading: Reading, onset: Onset, near: Stretch | None) -> Assessment:
    """The same with this onset, and this time before it."""
    after = Stretch(onset.early_s)
    rows = _weighed(reading, after, near)
    if tables.changes is not None:
        onset_us = reading.alerted_at_us + round(onset.likely_s * 1e6) if onset.seen else None
        rows += change_evidence(tables.changes, reading.alerted_at_us, onset_us, reading.graph.nodes())
    kept = [row for row in _worst(rows) if row.component.name]
    began = tables.alerted_at + timedelta(seconds=onset.likely_s) if onset.seen else None
    numbered = tuple(replace(row, id=f"e{number}") for number, row in enumerate(kept))
    return Assessment(numbered, began, reading.calls(after), reading.new_pods)


def _weighed(reading: Reading, after: Stretch, near: Stretch | None) -> list[Evidence]:
    """The rows that moved, with surprise and effect. The time just before the onset tells twice what is usual: by how
    much the rows of a kind differ there from the baseline, and what was so already.
    """
    rows = reading.compare(after)
    widths = _widths(reading.compare(near) if near is not None else [])
    since: defaultdict[Key, list[Evidence]] = defaultdict(list)
    for row in reading.compare(after, near) if near is not None else ():
        since[_key(row)].append(row)
    numbers = Counter(_group(row) for row in rows)
    return [
        _with_effect(row, since[_key(row)], widths, numbers[_group(row)]) for row in rows if row.score >= SCORE_SHOWN
    ]


def _with_effect(row: Evidence, since: Sequence[Evidence], widths: Mapping[Group, float], comparisons: int) -> Evidence:
    """Surprise: the logarithm of one over the tail of Student's t with four degrees of freedom, about, less that of the
    number of comparisons. Effect: see `Evidence`; less for what was so already before the onset.
    """
    error = row.error * widths.get(_group(row), UNMEASURED_WIDTH)
    moved = abs(row.shift)
    score = moved / error
    left = 1.0
    if since and moved > 0:
        # At most so much changed with the onset; of several rows that are not told apart, in the one that did most.
        changed = max(one.shift * (1 if row.shift > 0 else -1) + one.error for one in since)
        left = min(max(changed / moved, LEAST_LEFT), 1.0)
    return replace(
        row,
        error=error,
        score=min(score, SCORE_LIMIT),
        surprise=max(0.0, 2.5 * log1p(score**2 / 4) - log(max(comparisons, 1))),
        effect=left * max(0.0, moved - ERRORS_TAKEN_OFF * error) / row.usual,
    )


def _widths(healthy: Sequence[Evidence]) -> Mapping[Group, float]:
    """For each group of rows by how much its errors are too small, measured where nothing is wrong yet: 19 of 20 rows
    should stay within two of them. A few rows of which that is so are added, so that one alone tells little.
    """
    scores: dict[Group, list[float]] = {}
    for row in healthy:
        scores.setdefault(_group(row), [0.7, 0.7, 1.0, 2.0]).append(row.score)
    return {
        group: max(1.0, sorted(values)[int(LEAST_WIDTH_SHARE * len(values))] / 2) for group, values in scores.items()
    }


def _group(row: Evidence) -> Group:
    """Rows that are judged together: of one family, shown by one component. Nobody hides what others show by what he
    writes himself.
    """
    edge = row.component.kind is ComponentKind.EDGE
    return _family(row), edge_ends(row.component)[0] if edge else row.component.name


_LOG_LINE, _FOLLOWING = "log-line", "following"
_FAMILIES: Mapping[EvidenceKind, str] = {
    EvidenceKind.LOG_NEW: _LOG_LINE,
    EvidenceKind.LOG_MORE: _LOG_LINE,
    EvidenceKind.LOG_GONE: _LOG_LINE,
    EvidenceKind.LOG_LESS: _LOG_LINE,
    EvidenceKind.LOST_CALL: _FOLLOWING,
    EvidenceKind.NEW_CALL: _FOLLOWING,
}
"""Kinds that are two sides of one comparison."""


def _family(row: Evidence) -> str:
    """Rows that are compared in the same way, of things alike."""
    of_class = metric_class(row.subject, row.unit) if row.kind is EvidenceKind.METRIC else ""
    return _FAMILIES.get(row.kind, row.kind.value) + of_class


def _key(row: Evidence) -> Key:
    """What a row compares: rows of several references with the same key speak of the same. The subject of calls is only
    an example of them.
    """
    subject = "" if row.component.kind is ComponentKind.EDGE and row.signal is Signal.TRACES else row.subject
    return _FAMILIES.get(row.kind, row.kind.value), row.component, subject, row.given


def _worst(rows: Iterable[Evidence]) -> list[Evidence]:
    """Largest effect first, at most a handful for each component and kind; ties in the order of their scores."""
    kept: list[Evidence] = []
    counts: Counter[tuple[Component, EvidenceKind]] = Counter()
    for row in sorted(rows, key=lambda r: (-r.effect, -r.score)):
        counts[row.component, row.kind] += 1
        if counts[row.component, row.kind] <= ROWS_PER_SUBJECT:
            kept.append(row)
    return kept
