from fastapi import FastAPI

from service.gateway import alerts, changes, deliveries, events, incidents, localizations, otlp, probes, verdicts
from service.gateway.application import Application
from service.gateway.context import Gateway
from service.gateway.documented import PROBLEMS
from service.stores.embedded.intakes import Intakes


def web_app(gateway: Gateway, version: str, intakes: Intakes | None = None) -> FastAPI:
    """The HTTP side of hypocenter over these parts; with intakes, exporters may send it telemetry."""
    app = Application(gateway, "hypocenter", version)
    for noun in (alerts, localizations, deliveries, events, verdicts, incidents, changes, probes):
        app.include_router(noun.router, responses=PROBLEMS)
    if intakes is not None:
        app.state.intakes = intakes
        app.include_router(otlp.router)
    return app
