"""What a model wrote, as a move. Strict: whatever is not exactly a move is `Malformed`, with what would be right."""

from collections.abc import Callable, Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.domain.fault import Fault
from service.domain.move import Investigate, Malformed, Move, PrintResults, ReportVerdict, Suspicion, ToolCall
from service.ports import ChatReply
from service.tools.specs import (
    INVESTIGATE,
    MAX_CAUSES,
    MAX_ROWS,
    MAX_TARGETS,
    PRINT_RESULTS,
    REPORT_VERDICT,
    SIGNAL_OF,
    TOOL_NAMES,
)

_Word = Annotated[str, Field(min_length=1, max_length=200)]
_Rows = Annotated[list[Annotated[str, Field(max_length=20)]], Field(max_length=MAX_ROWS)]


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Search(_Arguments):
    component: _Word


class _Investigate(_Arguments):
    components: Annotated[list[_Word], Field(min_length=1, max_length=MAX_TARGETS)]


class _ReportVerdict(_Arguments):
    guilty: Annotated[bool, Field(strict=True)]
    fault: Fault
    rows: _Rows


class _Suspicion(_Arguments):
    component: _Word
    fault: Fault
    rows: _Rows


class _PrintResults(_Arguments):
    causes: Annotated[list[_Suspicion], Field(min_length=1, max_length=MAX_CAUSES)]


_RIGHT = {
    **dict.fromkeys(SIGNAL_OF, '{"component": "…"}'),
    INVESTIGATE: f'{{"components": ["…"]}}, 1 to {MAX_TARGETS} of them',
    REPORT_VERDICT: f'{{"guilty": true, "fault": "{Fault.CPU}", "rows": ["e0"]}}, up to {MAX_ROWS} rows',
    PRINT_RESULTS: f'{{"causes": [{{"component": "…", "fault": "{Fault.CPU}", "rows": ["e0"]}}]}}, up to {MAX_CAUSES}',
}


def _search(name: str) -> Callable[[str], Move]:
    return lambda arguments: ToolCall(name, _Search.model_validate_json(arguments).component)


def _investigate(arguments: str) -> Move:
    return Investigate(tuple(dict.fromkeys(_Investigate.model_validate_json(arguments).components)))


def _report_verdict(arguments: str) -> Move:
    said = _ReportVerdict.model_validate_json(arguments)
    return ReportVerdict(said.guilty, said.fault, tuple(dict.fromkeys(said.rows)))


def _print_results(arguments: str) -> Move:
    said = _PrintResults.model_validate_json(arguments)
    return PrintResults(tuple(Suspicion(c.component, c.fault, tuple(dict.fromkeys(c.rows))) for c in said.causes))


_READ: dict[str, Callable[[str], Move]] = {
    **{name: _search(name) for name in SIGNAL_OF},
    INVESTIGATE: _investigate,
    REPORT_VERDICT: _report_verdict,
    PRINT_RESULTS: _print_results,
}


def parse(reply: ChatReply, allowed: Sequence[str]) -> Move:
    """The move that a reply makes, if it is one of the ``allowed`` calls."""
    choice = " or ".join(allowed)
    if not reply.call_name:
        return Malformed(f"that was no call: call {choice}")
    if reply.call_name not in TOOL_NAMES:
        return Malformed(f"there is no such tool: call {choice}")
    if reply.call_name not in allowed:
        return Malformed(f"{reply.call_name} cannot be called now: call {choice}")
    try:
        return _READ[reply.call_name](reply.call_arguments.encode("utf-8", "replace").decode())
    except ValidationError as error:
        return Malformed(f"{_what(error)}: {reply.call_name} takes {_RIGHT[reply.call_name]}")


def _what(error: ValidationError) -> str:
    """The first thing that is wrong, in our words and the schema's, never in the model's own."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return "the arguments are not JSON"
    if first["type"] == "extra_forbidden":
        return "there is an argument too many"
    where = ".".join(str(part) for part in first["loc"])
    return f"{where or 'the arguments'}: {first['msg'][:160]}"
