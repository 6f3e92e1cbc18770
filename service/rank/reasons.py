from collections.abc import Callable, Sequence

from service.domain.component import Component, ComponentKind, edge_ends
from service.domain.evidence import Evidence, EvidenceKind
from service.evidence.statement import quantity, statement


def reason(component: Component, evidence: Sequence[Evidence]) -> str:
    """Why a component is suspected, as one sentence made of its most telling row."""
    if not evidence:
        return f"nothing of its own speaks for {component.name}"
    worst = evidence[0]
    tell = _SENTENCES.get(worst.kind)
    return tell(worst) if tell is not None else f"{_who(worst)}: {statement(worst)}"


def _who(e: Evidence) -> str:
    if e.component.kind is ComponentKind.EDGE:
        return "calls from {} to {}".format(*edge_ends(e.component))
    return e.component.name


def _more(e: Evidence) -> str:
    grown = e.now - (e.before or 0.0)
    return f"{quantity(abs(grown), e.unit)} {'longer' if grown >= 0 else 'less'} than before"


def _gap(e: Evidence) -> str:
    callee = edge_ends(e.component)[1] if e.component.kind is ComponentKind.EDGE else e.component.name
    return f"calls to {callee} wait {quantity(e.now, e.unit)} that {callee} itself does not account for"


def _self_time(e: Evidence) -> str:
    return f"{_who(e)} spends {_more(e)} in its own code"


def _latency(e: Evidence) -> str:
    return f"{_who(e)} takes {_more(e)}"


def _errors(e: Evidence) -> str:
    return f"{quantity(e.now, e.unit)} of the executions of {_who(e)} begin to fail there"


def _silence(e: Evidence) -> str:
    return f"{_who(e)} is reached by {quantity(e.now, e.unit)} of the requests that should reach it"


def _log(e: Evidence) -> str:
    what = {EvidenceKind.LOG_NEW: "new", EvidenceKind.LOG_MORE: "more", EvidenceKind.LOG_LESS: "fewer"}.get(
        e.kind, "no"
    )
    level = f"{e.severity.upper()} " if e.severity else ""
    given = f" after {e.given}" if e.given else ""
    moved = quantity(e.now, e.unit) if e.before is None else f"{quantity(e.before, e.unit)} → {quantity(e.now, e.unit)}"
    return f"{_who(e)} writes {what} {level}log lines{given} ({moved})"


_SENTENCES: dict[EvidenceKind, Callable[[Evidence], str]] = {
    EvidenceKind.GAP: _gap,
    EvidenceKind.SELF_TIME: _self_time,
    EvidenceKind.LATENCY: _latency,
    EvidenceKind.ERROR_SHARE: _errors,
    EvidenceKind.SILENCE: _silence,
    EvidenceKind.LOG_NEW: _log,
    EvidenceKind.LOG_MORE: _log,
    EvidenceKind.LOG_LESS: _log,
    EvidenceKind.LOG_GONE: _log,
}
