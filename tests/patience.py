"""How tests ask servers that have to answer: nobody gives up because the machine is slow."""

import asyncio
from dataclasses import replace
from typing import Any

from service.domain.incident import Incident
from service.ports import Telemetry
from service.stores.access import Access
from service.stores.trace_sampling import TracePlan
from service.view.opening import open_view
from service.view.view import View
from tests.waiting import LIMIT_S

PATIENT_PLAN = TracePlan(within_s=LIMIT_S)


def patient(url: str = "", **more: Any) -> Access:
    """The way to a server that has time; what failed and may be tried again is tried again at once."""
    return replace(Access(url, connect_s=LIMIT_S, read_s=LIMIT_S, total_s=LIMIT_S, pause_s=0.001), **more)


def open_patiently(incident: Incident, telemetry: Telemetry) -> View:
    """What the incident can see, however long the telemetry takes."""
    return asyncio.run(open_view(incident, telemetry, LIMIT_S))
