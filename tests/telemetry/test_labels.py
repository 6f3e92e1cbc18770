"""Whatever strangers send, there are only so many series."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.gateway.context import Check, Gateway
from service.gateway.web import web_app
from service.jobs.measured import measured
from service.jobs.sqlite import SqliteStore
from service.telemetry import Meters
from tests.gateway.conftest import alertmanager_body

PLANTED = "planted"

pytestmark = pytest.mark.anyio


def series(meters: Meters) -> set[str]:
    """The names and labels of all that is told."""
    lines = meters.exposition().decode().splitlines()
    return {line.rpartition(" ")[0] for line in lines if not line.startswith("#")}


def requests(round_: int) -> Iterator[tuple[str, str, object]]:
    """Calls whose every part differs from round to round."""
    strange = f"{PLANTED}-{round_}"
    yield "GET", f"/{strange}", None
    yield strange.upper(), f"/v1/incidents/{strange}", None
    yield "GET", f"/v1/localizations/{strange}?wait_s={strange}", None
    yield "POST", "/v1/alerts", alertmanager_body(strange)
    yield "POST", "/v1/alerts", {"version": strange}
    yield "POST", "/v1/changes", {"service": strange, "kind": "deploy", "summary": strange}
    yield "PUT", f"/v1/localizations/{strange}/verdict", {"causes": [{"component": strange, "fault": strange}]}


async def test_nothing_that_a_stranger_writes_becomes_a_label(tmp_path: Path) -> None:
    async def fine() -> Check:
        return Check(ok=True, found="")

    meters, store = Meters(), SqliteStore(tmp_path / "store.sqlite")
    app = web_app(Gateway(measured(store, meters), meters, fine, "none"), "0")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        counts: list[int] = []
        for round_ in range(4):
            for method, path, body in requests(round_):
                await client.request(method, path, json=body, headers={"user-agent": f"{PLANTED}-{round_}"})
            assert (await client.get("/metrics")).status_code == 200
            counts.append(len(series(meters)))
    await store.close()
    assert not re.search(PLANTED, "\n".join(series(meters)), re.IGNORECASE)
    assert len(set(counts[1:])) == 1
