"""What a Prometheus is asked, family by family: one range query for each pace at which its jobs are scraped."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from service.stores.prometheus_intervals import Intervals, Pace, paces
from service.stores.prometheus_series import About, Family, Labels

RATE_STEPS: Final = 3
"""A rate is over so many steps: over fewer it would show gaps where a scrape came late."""


@dataclass(frozen=True, slots=True)
class Question:
    """One range query, how far apart its samples are to be, and what its answers are called.

    ``counted`` is the selector whose series it is about, "" where that is not known. ``rare`` says that no answer is
    nothing unusual: there were no failures. ``rated``: a longer range may find what a short one does not.
    """

    metric: str
    unit: str
    about: About
    query: str
    scale: float = 1.0
    of_pods: bool = False
    step_s: int = 15
    counted: str = ""
    rare: bool = False
    rated: bool = False


def counted_selectors(families: Collection[Family], there: Collection[str]) -> list[str]:
    """Whose samples are to be counted, of families whose names are there (`service.stores.prometheus_intervals`)."""
    return [selector for family in families for selector in _counted(family, there)]


def questions(
    families: Collection[Family],
    there: Collection[str],
    labels: Labels,
    step_s: int,
    intervals: Intervals | None = None,
) -> Iterator[Question]:
    """What to ask, given the names that are there: samples ``step_s`` apart, or as far as those of a job are."""
    known = intervals or {}
    for family in families:
        if counted := _counted(family, there):
            jobs: dict[str, int] = {}
            for selector in counted:
                jobs = {**known.get(selector, {}), **jobs}
            for pace in paces(jobs, step_s):
                yield from _of_family(family, there, labels, pace, known)


def _counted(family: Family, there: Collection[str]) -> list[str]:
    """The selectors of a family that is there. A native histogram has no suffix; under its name a summary may stand,
    each series of which has a quantile.
    """
    if family.form != "histogram":
        return [family.name] if family.name in there else []
    classic = [f"{family.name}_count"] if f"{family.name}_count" in there else []
    native = [_native(family.name)] if family.name in there else []
    return classic + native


def _native(name: str) -> str:
    return f'{name}{{quantile=""}}'


def _of_family(
    family: Family, there: Collection[str], labels: Labels, pace: Pace, intervals: Intervals
) -> Iterator[Question]:
    by = ", ".join(dict.fromkeys((*labels.owners, *(labels.peer if family.about == "edge" else ()))))
    name, over = family.name, f"[{RATE_STEPS * pace.step_s}s]"
    base = Question("", family.unit, family.about, "", family.scale, step_s=pace.step_s, counted=name)
    if family.of_pods:
        yield _of_pods(family, labels, pace, over, base)
        return
    series = _selected(name, pace.matcher)
    match family.form:
        case "gauge":
            yield replace(base, metric=name, query=f"max by ({by}) ({series})")
        case "rate" | "increase":
            query = f"sum by ({by}) ({family.form}({series}{over}))"
            yield replace(base, metric=name.removesuffix("_total"), query=query, rated=True)
        case "idle":
            idle = _selected(name, 'mode="idle"', pace.matcher)
            query = f"1 - avg by ({by}) (rate({idle}{over}))"
            yield replace(base, metric="node_cpu_utilization", query=query, rated=True)
        case "histogram":
            yield from _of_histogram(family, _parts(family, there, intervals, pace, over), labels, by, base)


def _of_pods(family: Family, labels: Labels, pace: Pace, over: str, base: Question) -> Question:
    """The sum of a pod's containers. What is told of the pod as a whole (its network, or all containers once more) has
    no container or "POD", and counts where nothing else is told; a container may also stand alone.
    """
    counts, name = family.form in ("rate", "increase"), family.name
    by = ", ".join(label for label in dict.fromkeys(labels.owners) if label not in ("container", "exported_container"))

    def summed(selector: str, also: str = "") -> str:
        selected = _selected(name, selector, pace.matcher)
        series = f"{family.form}({selected}{over})" if counts else selected
        return f"sum by ({by}{also}) ({series})"

    parts = (summed('pod!="", container!~"|POD"'), summed('pod!=""'), summed('pod=""', ", container"))
    metric = name.removesuffix("_total") if counts else name
    return replace(base, metric=metric, query=" or ".join(parts), of_pods=True, rated=counts)


@dataclass(frozen=True, slots=True)
class _Histogram:
    """How the parts of a histogram are written: as series with suffixes, as native histograms, or as both, of which the
    first count where one target has both. "" for a part that is not there.
    """

    name: str
    classic: Collection[str]
    native: bool
    matcher: str
    over: str

    def rate(self, part: str, *matchers: str) -> str:
        """The rate of ``count`` or ``sum``."""
        parts: list[str] = []
        if (series := f"{self.name}_{part}") in self.classic:
            parts.append(f"rate({_selected(series, *matchers, self.matcher)}{self.over})")
        if self.native:
            parts.append(f"histogram_{part}(rate({_selected(self.name, *matchers, self.matcher)}{self.over}))")
        return " or ".join(parts)

    def quantile(self, by: str) -> str:
        """The 90th percentile."""
        parts: list[str] = []
        if f"{self.name}_bucket" in self.classic:
            buckets = f"rate({_selected(f'{self.name}_bucket', self.matcher)}{self.over})"
            parts.append(f"histogram_quantile(0.9, sum by (le, {by}) ({buckets}))")
        if self.native:
            series = f"rate({_selected(self.name, self.matcher)}{self.over})"
            parts.append(f"histogram_quantile(0.9, sum by ({by}) ({series}))")
        return " or ".join(parts)


def _parts(family: Family, there: Collection[str], intervals: Intervals, pace: Pace, over: str) -> _Histogram:
    """Native ones are those that were counted. Where nothing was, a name without ``_count`` is taken for one: it may as
    well be a summary's.
    """
    name = family.name
    classic = {f"{name}_count", f"{name}_sum", f"{name}_bucket"}.intersection(there)
    native = _native(name) in intervals or (not intervals and name in there and f"{name}_count" not in classic)
    return _Histogram(name, classic, native, pace.matcher, over)


def _of_histogram(family: Family, parts: _Histogram, labels: Labels, by: str, base: Question) -> Iterator[Question]:
    name = family.name.removesuffix("_seconds").removesuffix("_milliseconds")
    asked = replace(base, rated=True, counted=f"{family.name}_count" if parts.classic else _native(family.name))
    if not parts.rate("count"):
        return
    count, total, quantile = f"sum by ({by}) ({parts.rate('count')})", parts.rate("sum"), parts.quantile(by)
    yield replace(asked, metric=f"{name}_requests", unit="1/s", query=count, scale=1.0)
    if total:
        mean = f"sum by ({by}) ({total}) / ({count} > 0)"
        yield replace(asked, metric=f"{name}_mean", query=mean, rare=True)
    if quantile:
        yield replace(asked, metric=f"{name}_p90", query=quantile)
    failed = " or ".join(parts.rate("count", f'{label}=~"5.."') for label in labels.status)
    yield replace(asked, metric=f"{name}_errors", unit="1/s", query=f"sum by ({by}) ({failed})", scale=1.0, rare=True)


def _selected(name: str, *matchers: str) -> str:
    there = ", ".join(filter(None, matchers))
    return f"{name}{{{there}}}" if there else name


def recorded_questions(
    families: Collection[Family], there: Collection[str], labels: Labels, step_s: int
) -> Iterator[Question]:
    """What recording rules keep of families whose own series are not there, by the names that rules should have
    (``level:metric:operations``): rates as rates, gauges as gauges, quantiles of histograms. One rule a metric.
    """
    missing: Mapping[str, Family] = {
        family.name.removesuffix("_total"): family for family in families if not _counted(family, there)
    }
    seen: set[str] = set()
    for name in sorted(one for one in there if ":" in one):
        question = _recorded(name, missing, labels, step_s)
        if question is not None and question.metric not in seen:
            seen.add(question.metric)
            yield question


def _recorded(name: str, missing: Mapping[str, Family], labels: Labels, step_s: int) -> Question | None:
    _, metric, *operations = name.split(":")
    stem, done = metric.removesuffix("_total"), "_".join(operations).split("_")
    rated = any(word.startswith(("rate", "irate")) for word in done)
    quantile = any((word[:1] == "p" and word[1:].isdecimal()) or word.startswith("quantile") for word in done)
    family = missing.get(stem) or missing.get(stem.rpartition("_")[0])
    if family is None:
        return None
    base = family.name.removesuffix("_seconds").removesuffix("_milliseconds")
    kinds: Sequence[tuple[bool, str, str, float]] = (
        (family.form == "gauge" and stem == family.name and not rated, family.name, family.unit, family.scale),
        (family.form == "rate" and rated and not quantile, stem, family.unit, family.scale),
        (family.form == "histogram" and rated and stem.endswith("_count"), f"{base}_requests", "1/s", 1.0),
        (family.form == "histogram" and quantile, f"{base}_p90", family.unit, family.scale),
    )
    found = next((kind[1:] for kind in kinds if kind[0]), None)
    if found is None:
        return None
    by = dict.fromkeys((*labels.owners, *(labels.peer if family.about == "edge" else ())))
    if family.of_pods:
        query = f"sum by ({', '.join(label for label in by if label != 'container')}) ({name})"
    else:
        query = f"max by ({', '.join(by)}) ({name})"
    return Question(found[0], found[1], family.about, query, found[2], family.of_pods, step_s, counted=name)
