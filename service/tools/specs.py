"""The tools as the model is shown them: static, strict JSON schemas, the same in every frame of every incident."""

import hashlib
import json
from dataclasses import asdict
from typing import Final

from service.domain.evidence import Signal
from service.domain.fault import Fault
from service.ports import ToolSpec

SEARCH_TRACES: Final = "search_traces"
SEARCH_METRICS: Final = "search_fluctuating_metrics"
SEARCH_LOGS: Final = "search_logs"
SEARCH_CHANGES: Final = "search_changes"
INVESTIGATE: Final = "investigate"
REPORT_VERDICT: Final = "report_verdict"
PRINT_RESULTS: Final = "print_results"

SIGNAL_OF: Final = {
    SEARCH_TRACES: Signal.TRACES,
    SEARCH_METRICS: Signal.METRICS,
    SEARCH_LOGS: Signal.LOGS,
    SEARCH_CHANGES: Signal.CHANGES,
}
"""Which signal a search tool looks at, in the order in which the tools are shown."""

MAX_TARGETS = 4
MAX_ROWS = 6
MAX_CAUSES = 5

_COMPONENT: dict[str, object] = {"type": "string", "description": "one component, as the rows write it"}
_ROWS: dict[str, object] = {
    "type": "array",
    "items": {"type": "string"},
    "maxItems": MAX_ROWS,
    "description": "ids of rows seen here that prove it, such as e3",
}
_FAULT: dict[str, object] = {"type": "string", "enum": [f.value for f in Fault]}


def _object(**properties: object) -> dict[str, object]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _search(name: str, what: str) -> ToolSpec:
    target = {"type": "string", "description": "one component, or all for the worst anywhere"}
    return ToolSpec(name, what, _object(component=target))


TOOLS: tuple[ToolSpec, ...] = (
    _search(SEARCH_TRACES, "How its operations and the calls into it differ from the baseline; who calls whom."),
    _search(SEARCH_METRICS, "Its metrics, and those of its hosts, that left their baseline."),
    _search(SEARCH_LOGS, "Log templates that are new, gone, more or fewer than in the baseline."),
    _search(SEARCH_CHANGES, "Deployments, configuration and scaling near the onset."),
    ToolSpec(
        INVESTIGATE,
        "Open one investigation for each of these components, at the same time; answers with their verdicts.",
        _object(components={"type": "array", "items": _COMPONENT, "minItems": 1, "maxItems": MAX_TARGETS}),
    ),
    ToolSpec(
        REPORT_VERDICT,
        "End the investigation of one component: is the fault its own?",
        _object(guilty={"type": "boolean"}, fault=_FAULT, rows=_ROWS),
    ),
    ToolSpec(
        PRINT_RESULTS,
        "End everything: the root causes, most likely first.",
        _object(
            causes={
                "type": "array",
                "items": _object(component=_COMPONENT, fault=_FAULT, rows=_ROWS),
                "minItems": 1,
                "maxItems": MAX_CAUSES,
            }
        ),
    ),
)
TOOL_NAMES: tuple[str, ...] = tuple(tool.name for tool in TOOLS)


def tools_id() -> str:
    """Names the exact tools that a model is shown."""
    return hashlib.sha256(json.dumps([asdict(tool) for tool in TOOLS], sort_keys=True).encode()).hexdigest()[:12]
