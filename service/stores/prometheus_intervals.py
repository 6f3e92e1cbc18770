"""How far apart a Prometheus has the samples of each job: a rate needs two of them in its range, and of a job that is
scraped every minute (Prometheus' own default) a range of 45 s never holds two. The server does not say the interval
through every API (Thanos, Mimir, pushed metrics), so the samples of the last minutes are counted.
"""

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from service.stores.prometheus_wire import Vector

COUNTED_S: Final = 600
"""Samples of so long are counted. A job that began later seems slower than it is, so that its rates are smoother."""
USUAL_S: Final = (5, 10, 15, 20, 30, 45, 60, 90, 120)
"""Intervals that people set. A scrape more or less within the ten minutes makes no other; and more seldom than the last
nobody should scrape: a Prometheus forgets a sample after five minutes.
"""
TOLERANCE: Final = 0.9
PLACE: Final = "question"

Intervals = Mapping[str, Mapping[str, int]]
"""Seconds between samples by job ("" for none), by the selector whose series were counted. A selector without series in
the last minutes is not there.
"""


@dataclass(frozen=True, slots=True)
class Pace:
    """How a question is asked of some jobs: samples ``step_s`` apart, of the jobs that ``matcher`` lets through."""

    step_s: int
    matcher: str = ""


def counting_query(selectors: Sequence[str]) -> str:
    """One query for the samples of all selectors; `intervals_of` reads the answer."""
    counts = (f"max by (job) (count_over_time({selector}[{COUNTED_S}s]))" for selector in selectors)
    return " or ".join(f'label_replace({count}, "{PLACE}", "{n}", "", "")' for n, count in enumerate(counts))


def intervals_of(answer: Vector, selectors: Sequence[str]) -> Intervals:
    """What the counts tell; nothing of an answer that is none to our question."""
    by_selector: dict[str, dict[str, int]] = defaultdict(dict)
    for one in answer.result:
        place, count = one.metric.get(PLACE, ""), one.value[1]
        if place.isdecimal() and int(place) < len(selectors) and count >= 1:
            about_s = TOLERANCE * COUNTED_S / count
            every_s = next((usual_s for usual_s in USUAL_S if usual_s >= about_s), USUAL_S[-1])
            by_selector[selectors[int(place)]][one.metric.get("job", "")] = every_s
    return by_selector


def paces(intervals: Mapping[str, int], step_s: int) -> list[Pace]:
    """How to ask jobs of these intervals: samples ``step_s`` apart, or as far as there are any. Jobs of one pace are
    asked for together; whoever else is there, at the most usual pace.
    """
    jobs_of: dict[int, list[str]] = defaultdict(list)
    for job, every_s in intervals.items():
        jobs_of[max(step_s, every_s)].append(job)
    if len(jobs_of) <= 1:
        return [Pace(next(iter(jobs_of), step_s))]
    usual_s = max(jobs_of, key=lambda each_s: (len(jobs_of[each_s]), -each_s))
    others = {each_s: _any_of(jobs) for each_s, jobs in sorted(jobs_of.items()) if each_s != usual_s}
    rest = _any_of([job for each_s, jobs in jobs_of.items() if each_s != usual_s for job in jobs])
    return [Pace(usual_s, f"job!~{rest}"), *(Pace(each_s, f"job=~{jobs}") for each_s, jobs in others.items())]


def _any_of(jobs: Sequence[str]) -> str:
    """A text of PromQL with an expression (RE2) that fits these jobs whole."""
    return json.dumps("|".join(map(_literal, sorted(jobs))), ensure_ascii=False)


def _literal(text: str) -> str:
    return re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", text)
