from collections.abc import Callable, Sequence

from service.domain.component import Component, ComponentKind, edge_ends
from service.domain.evidence import Evidence, EvidenceKind
from service.evidence.statement import log_lines, movement, named, quantity, relative, statement


def reason(component: Component, evidence: Sequence[Evidence]) -> str:
    """Why a component is suspected, as one sentence made of its most telling row."""
    if not evidence:
        return f"there is no evidence against {component.name} itself"
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
    takes = "take" if e.component.kind is ComponentKind.EDGE else "takes"
    return f"{_who(e)} {takes} {_more(e)}"


def _errors(e: Evidence) -> str:
    of = "" if e.component.kind is ComponentKind.EDGE else "the executions of "
    return f"{movement(e)} of {of}{_who(e)} fail there"


def _traffic(e: Evidence) -> str:
    return f"requests to {_who(e)} went {movement(e)}"


def _silence(e: Evidence) -> str:
    return f"{_who(e)} is reached by {quantity(e.now, e.unit)} of the requests that should reach it"


def _log(e: Evidence) -> str:
    of = "executions" if e.given else "its lines"
    return f"{_who(e)} writes {log_lines(e)} ({movement(e)} of {of})"


def _change(e: Evidence) -> str:
    when = "" if e.began_s is None else f" {relative(e.began_s)}"
    return f"{_who(e)} was changed{when} ({named(e.subject)}: {e.example})"


def _metric(e: Evidence) -> str:
    return f"{named(e.subject)} of {_who(e)} went {movement(e)}"


_SENTENCES: dict[EvidenceKind, Callable[[Evidence], str]] = {
    EvidenceKind.GAP: _gap,
    EvidenceKind.SELF_TIME: _self_time,
    EvidenceKind.LATENCY: _latency,
    EvidenceKind.ERROR_SHARE: _errors,
    EvidenceKind.TRAFFIC: _traffic,
    EvidenceKind.SILENCE: _silence,
    EvidenceKind.LOG_NEW: _log,
    EvidenceKind.LOG_MORE: _log,
    EvidenceKind.LOG_LESS: _log,
    EvidenceKind.LOG_GONE: _log,
    EvidenceKind.CHANGE: _change,
    EvidenceKind.METRIC: _metric,
}
