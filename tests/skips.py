"""A plugin of pytest that lists at the end what was skipped, once for each reason."""

from collections import Counter, defaultdict

import pytest


def skip_lines(skipped: list[tuple[str, str]]) -> list[str]:
    """One line for each reason, with how many tests of which files; ``skipped``: a test's id and its reason each."""
    files: dict[str, Counter[str]] = defaultdict(Counter)
    for test, reason in skipped:
        files[reason][test.partition("::")[0]] += 1
    return [f"{n.total()} skipped: {reason} ({', '.join(sorted(n))})" for reason, n in sorted(files.items())]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports: list[pytest.TestReport] = terminalreporter.stats.get("skipped", [])
    if reports:
        terminalreporter.section("skipped")
    for line in skip_lines([(report.nodeid, _reason(report)) for report in reports]):
        terminalreporter.write_line(line)


def _reason(report: pytest.TestReport) -> str:
    """What `pytest.skip` was called with: the last part of (file, line, "Skipped: …")."""
    place = report.longrepr
    return place[2].removeprefix("Skipped: ") if isinstance(place, tuple) else str(place)
