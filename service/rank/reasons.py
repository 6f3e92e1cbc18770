from collections.abc import Callable, Sequence

from service.domain.component import Component, ComponentKind, edge_ends
from service.domain.evidence import Evidence, EvidenceKind
from service.evidence.statement import statement



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


def _duration(microseconds: float) -> str:
    magnitude = abs(microseconds)
    if magnitude >= 1e6:
        return f"{microseconds / 1e6:.1f} s"
    return f"{microseconds / 1e3:.0f} ms" if magnitude >= 1e4 else f"{microseconds / 1e3:.1f} ms"


def _more(e: Evidence) -> str:
    grown = e.now - (e.before or 0.0)
    return f"{_duration(abs(grown))} {'longer' if grown >= 0 else 'less'} than before"


def _gap(e: Evidence) -> str:
    callee = edge_ends(e.component)[1] if e.component.kind is ComponentKind.EDGE else e.component.name
    return f"calls to {callee} wait {_duration(e.now)} that {callee} itself does not account for"


def _self_time(e: Evidence) -> str:
    return f"{_who(e)} spends {_more(e)} in its own code"


def _latency(e: Evidence) -> str:
    return f"{_who(e)} takes {_more(e)}"


def _errors(e: Evidence) -> str:
    return f"{e.now:.0%} of the executions of {_who(e)} fail"


def _silence(e: Evidence) -> str:
    return f"{_who(e)} has fallen silent"


_SENTENCES: dict[EvidenceKind, Callable[[Evidence], str]] = {
    EvidenceKind.GAP: _gap,
    EvidenceKind.SELF_TIME: _self_time,
    EvidenceKind.LATENCY: _latency,
    EvidenceKind.ERROR_SHARE: _errors,
    EvidenceKind.SILENCE: _silence,
}
