"""The JSON of moves, cut into the few big pieces of which every move is put together; each is one token.

Choosing a tool is one token, so is ending a list, and a whole search is four. What stands between two pieces is an
alias, a fault or ``all``. The names and limits are those of `service.tools.specs`, which stands above this package: a
test holds them equal.
"""

from dataclasses import dataclass
from typing import Final

SEARCHES: Final = ("search_traces", "search_fluctuating_metrics", "search_logs", "search_changes")
INVESTIGATE: Final = "investigate"
REPORT_VERDICT: Final = "report_verdict"
PRINT_RESULTS: Final = "print_results"

MAX_TARGETS: Final = 4
MAX_ROWS: Final = 6
MAX_CAUSES: Final = 5

EVERYWHERE: Final = "all"


def _opening(tool: str, arguments: str) -> str:
    return f'{{"name": "{tool}", "arguments": {{{arguments}'


OPENING: Final = {
    **{tool: _opening(tool, '"component": "') for tool in SEARCHES},
    INVESTIGATE: _opening(INVESTIGATE, '"components": ["'),
    REPORT_VERDICT: _opening(REPORT_VERDICT, '"guilty": '),
    PRINT_RESULTS: _opening(PRINT_RESULTS, '"causes": [{"component": "'),
}
"""How the call of each tool begins, up to the first thing that is chosen."""

GUILTY: Final = 'true, "fault": "'
INNOCENT: Final = 'false, "fault": "'
FAULT: Final = '", "fault": "'
ROWS: Final = '", "rows": ["'
NEXT: Final = '", "'

END_SEARCH: Final = '"}}'
END_TARGETS: Final = '"]}}'


@dataclass(frozen=True, slots=True)
class RowsEnd:
    """How a list of rows ends together with what stands around it: after a row, and where there is none."""

    after_rows: str
    without_rows: str


END_VERDICT: Final = RowsEnd('"]}}', '", "rows": []}}')
NEXT_CAUSE: Final = RowsEnd('"]}, {"component": "', '", "rows": []}, {"component": "')
END_CAUSES: Final = RowsEnd('"]}]}}', '", "rows": []}]}}')

PIECES: Final = (
    *OPENING.values(),
    *(GUILTY, INNOCENT, FAULT, ROWS, NEXT, END_SEARCH, END_TARGETS),
    *(END_VERDICT.without_rows, NEXT_CAUSE.after_rows, NEXT_CAUSE.without_rows),
    *(END_CAUSES.after_rows, END_CAUSES.without_rows),
)
"""All of them; a verdict's rows end as targets do."""
