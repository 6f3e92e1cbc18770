"""The least that a webhook can cost: a FastAPI route that parses the body into models and does nothing with it, served
as the gateway is.

    python -m model_store.bench_gateway.bare PORT
"""

import sys
from datetime import datetime

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel


class Alert(BaseModel):
    """One alert of the body."""

    status: str
    labels: dict[str, str]
    annotations: dict[str, str]
    startsAt: datetime  # noqa: N815
    endsAt: datetime  # noqa: N815
    generatorURL: str  # noqa: N815
    fingerprint: str


class Webhook(BaseModel):
    """The body."""

    version: str
    groupKey: str  # noqa: N815
    truncatedAlerts: int  # noqa: N815
    status: str
    receiver: str
    groupLabels: dict[str, str]  # noqa: N815
    commonLabels: dict[str, str]  # noqa: N815
    commonAnnotations: dict[str, str]  # noqa: N815
    externalURL: str  # noqa: N815
    alerts: list[Alert]


def main(port: int) -> None:
    """Serve until killed."""
    app = FastAPI()

    @app.post("/v1/alerts", status_code=202)
    async def take(webhook: Webhook) -> dict[str, int]:
        return {"alerts": len(webhook.alerts)}

    @app.get("/readyz")
    async def ready() -> dict[str, str]:
        return {"status": "ready"}

    uvicorn.run(app, port=port, log_config=None, access_log=False, lifespan="off", server_header=False)


if __name__ == "__main__":
    main(int(sys.argv[1]))
