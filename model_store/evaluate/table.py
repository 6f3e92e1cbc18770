"""Tables as text: aligned for a terminal, Markdown for a page."""

from collections.abc import Sequence

from model_store.evaluate.bootstrap import Interval
from model_store.evaluate.results import CaseResult, Evaluation, Summary, against, summarize
from model_store.evaluate.scores import MEASURES

HEADINGS = ("method", *(name.upper() for name in MEASURES), "fault", "false cause", "p50 s", "p95 s")


def system_tables(evaluation: Evaluation, methods: Sequence[str], absent: Sequence[str] = ()) -> str:
    """A table per system, a row per method; ``absent`` methods keep their row and say that they are not installed."""
    blocks: list[str] = []
    for system, results in evaluation.systems().items():
        clusters = len({result.cluster for result in results})
        blocks.append(f"{system}: {len(results)} cases in {clusters} clusters (means, 95 % intervals over clusters)")
        rows = [_row(method, summarize(results, method)) for method in methods]
        rows += [(method, "not installed", *[""] * (len(HEADINGS) - 2)) for method in absent]
        blocks.append(text_table(HEADINGS, rows))
    return "\n\n".join(blocks)


def comparison_table(results: Sequence[CaseResult], ours: str, others: Sequence[str]) -> str:
    """The chosen method against every other on the same cases."""
    rows = [
        (other, _interval(compared.difference, signed=True), f"{compared.not_better:.3f}")
        for other in others
        if (compared := against(results, ours, other)) is not None
    ]
    return text_table((f"{ours} against", "AC@1 gained", "share of draws not better"), rows)


def text_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns are aligned."""
    widths = [max(len(row[i]) for row in (headings, *rows)) for i in range(len(headings))]
    lines = [headings, ["-" * width for width in widths], *rows]
    return "\n".join("| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |" for line in lines)


def _row(method: str, summary: Summary) -> tuple[str, ...]:
    measures = (summary.measures.get(name) for name in MEASURES)
    return (
        method,
        *(_interval(told) if told else "" for told in measures),
        _rate(summary.fault_right),
        _rate(summary.false_cause_rate),
        f"{summary.p50_s:.2f}",
        f"{summary.p95_s:.2f}",
    )


def _interval(told: Interval, *, signed: bool = False) -> str:
    sign = "+" if signed else ""
    return f"{told.mean:{sign}.2f} [{told.low:{sign}.2f}, {told.high:{sign}.2f}]"


def _rate(share: float | None) -> str:
    return "" if share is None else f"{share:.2f}"
