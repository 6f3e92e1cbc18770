"""How many incidents are made in a second of one core."""

import asyncio
import time
from dataclasses import dataclass

from model_store.simulate.generate import generate
from service.view.opening import open_view

PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Speed:
    """Incidents per second of processor time: their tables alone, and with the evidence computed from them."""

    incidents: int
    services: int
    tables: float
    with_evidence: float

    def line(self) -> str:
        """The figures in one line."""
        return (
            f"{self.incidents} incidents of {self.services} services: {self.tables:.1f} a second and core, "
            f"{self.with_evidence:.1f} with evidence"
        )


def measure(count: int, services: int, traces: int) -> Speed:
    """Makes ``count`` incidents, one after the other, and computes the evidence of each."""
    made_s = seen_s = 0.0
    for seed in range(count):
        begin = time.process_time()
        case = generate(seed, services=services, traces=traces)
        made = time.process_time()
        asyncio.run(open_view(case.incident, case.telemetry, PATIENCE_S))
        made_s += made - begin
        seen_s += time.process_time() - made
    return Speed(count, services, count / made_s, count / (made_s + seen_s))
