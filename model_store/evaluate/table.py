"""Tables as text: aligned for a terminal, Markdown for a page."""

from collections.abc import Sequence

from model_store.cases import NO_CAUSE
from model_store.evaluate.bootstrap import Interval
from model_store.evaluate.results import CaseResult, Evaluation, Summary, against, summarize
from model_store.evaluate.scores import MEASURES
from service.domain.localization import Usage

HEADINGS = ("method", *(name.upper() for name in MEASURES), "fault", "false cause", "p50 s", "p95 s")
INSTALL = "not installed: pip install '.[evaluation]'"


def system_tables(evaluation: Evaluation, methods: Sequence[str], absent: Sequence[str] = ()) -> str:
    """A table per system, a row per method; ``absent`` methods keep their row and say that they are not installed."""
    blocks: list[str] = []
    for system, results in evaluation.systems().items():
        clusters = len({result.cluster for result in results})
        blocks.append(f"{system}: {len(results)} cases in {clusters} clusters (means, 95 % intervals over clusters)")
        rows = [_row(method, summarize(results, method)) for method in methods]
        rows += [
            (method, "not installed: pip install '.[evaluation]'", *[""] * (len(HEADINGS) - 2)) for method in absent
        ]
        blocks.append(text_table(HEADINGS, rows))
    return "\n\n".join(blocks)


def fault_table(results: Sequence[CaseResult], methods: Sequence[str]) -> str:
    """A row per kind of fault: AC@1 and AC@3 of each method; of cases without a cause, how many were given one."""
    grouped: dict[str, list[CaseResult]] = {}
    for result in results:
        grouped.setdefault(result.cluster.fault, []).append(result)
    summaries = {
        fault: [summarize(grouped[fault], method) for method in methods]
        for fault in sorted(grouped, key=lambda fault: (fault == NO_CAUSE, "+" in fault, fault))
    }
    rows = [(fault, str(told[0].cases), *map(_short, told)) for fault, told in summaries.items()]
    return text_table(("fault", "cases", *(f"{method}: AC@1, AC@3" for method in methods)), rows)


def confidence_table(results: Sequence[CaseResult], methods: Sequence[str]) -> str:
    """How well the confidence of first causes and their frequency agree, how many answers are resolved, how many of
    these are wrong.
    """
    told = {method: summarize(results, method) for method in methods}
    rows = [
        (method, *map(_rate, (one.calibration_error, one.resolved, one.wrong_resolved))) for method, one in told.items()
    ]
    return text_table(("method", "calibration error", "resolved", "of these wrong"), rows)


def usage_table(results: Sequence[CaseResult], methods: Sequence[str]) -> str:
    """What an incident costs on average: frames opened, moves, tool calls, tokens read and written, seconds."""
    told = [(method, [u for r in results if (u := r.answers[method].usage) and u.frames]) for method in methods]
    rows = [(name, *(f"{sum(column) / len(used):.1f}" for column in zip(*map(_usage, used), strict=True)))
            for name, used in told if used]  # fmt: skip
    return text_table(("method", "frames", "moves", "tool calls", "tokens read", "tokens written"), rows)


def _usage(used: Usage) -> tuple[int, ...]:
    return used.frames, used.turns, used.tool_calls, used.prompt_tokens, used.completion_tokens


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


def _short(summary: Summary) -> str:
    if not summary.measures:
        return f"false cause {_rate(summary.false_cause_rate)}"
    return ", ".join(f"{summary.measures[name].mean:.2f}" for name in ("ac@1", "ac@3"))


def _interval(told: Interval, *, signed: bool = False) -> str:
    sign = "+" if signed else ""
    return f"{told.mean:{sign}.2f} [{told.low:{sign}.2f}, {told.high:{sign}.2f}]"


def _rate(share: float | None) -> str:
    return "" if share is None else f"{share:.2f}"
