"""What a suspect is called in an answer."""

from service.domain.component import Component, ComponentKind
from service.domain.evidence import EvidenceKind
from service.domain.localization import Suspect
from service.view.view import View


def named(view: View, suspect: Suspect) -> Component:
    """The suspect; or the calls to it, if what tells most against it is that they wait and only one caller's do: then
    the fault lies at its door or on the way there, and no telemetry tells which.
    """
    told = suspect.evidence[0].component if suspect.evidence else suspect.component
    if told.kind is not ComponentKind.EDGE:
        return suspect.component
    waiting = {e.component for e in view.of(suspect.component) if e.kind is EvidenceKind.GAP and e.rising}
    return told if waiting == {told} else suspect.component
