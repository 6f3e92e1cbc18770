from fastapi import FastAPI

from service.gateway import alerts, changes, events, incidents, localizations, otlp, probes, verdicts
from service.gateway.context import Gateway
from service.gateway.documented import PROBLEMS
from service.gateway.measuring import Measured
from service.gateway.problem import answer_with_problems
from service.stores.embedded.intake import Intake


def web_app(gateway: Gateway, version: str, intake: Intake | None = None) -> FastAPI:
    """The HTTP side of hypocenter over these parts; with an intake, exporters may send it telemetry."""
    app = FastAPI(title="hypocenter", version=version, docs_url=None, redoc_url=None)
    app.state.gateway = gateway
    app.add_middleware(Measured, meters=gateway.meters, tracer=gateway.tracer)
    answer_with_problems(app)
    for noun in (alerts, localizations, events, verdicts, incidents, changes, probes):
        app.include_router(noun.router, responses=PROBLEMS)
    if intake is not None:
        app.state.intake = intake
        app.include_router(otlp.router)
    return app
