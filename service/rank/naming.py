"""What a suspect is called in an answer."""

from service.domain.component import Component
from service.domain.evidence import EvidenceKind
from service.domain.localization import Suspect
from service.view.view import View


def named(view: View, suspect: Suspect) -> Component:
    """The suspect; or the calls to it, if what tells most against it is that they wait and only one caller's do: then
    the fault lies at its door or on the way there, and no telemetry tells which.
    """
    waiting = {e.component for e in view.of(suspect.component) if e.kind is EvidenceKind.GAP and e.rising}
    if suspect.evidence and {suspect.evidence[0].component} == waiting:
        return suspect.evidence[0].component
    return suspect.component
