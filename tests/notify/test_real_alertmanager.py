import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from model_store.ports import held_ports
from service.jobs.records import IncidentStatus
from service.notify.alertmanager import HELD, KEPT_UP, Alertmanager
from service.stores.alert_body import AlertGroup, parse_alert_body
from tests.contracts.faulty import FaultyServer, faulty, says
from tests.notify.telling import backend, incident, news
from tests.programs import installed
from tests.waiting import LIMIT_S, until

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def alertmanager(directory: Path, receiver: str) -> AsyncGenerator[str]:
    """A real Alertmanager of this test's own, which tells the receiver everything at once."""
    program = installed("prometheus-alertmanager", "prometheus-alertmanager")
    webhook = {"url": receiver, "send_resolved": True}
    route = {"receiver": "us", "group_by": ["incident"], "group_wait": "0s", "group_interval": "1s"}
    config = directory / "alertmanager.yml"
    config.write_text(json.dumps({"route": route, "receivers": [{"name": "us", "webhook_configs": [webhook]}]}))
    options = [f"--config.file={config}", f"--storage.path={directory / 'data'}", "--cluster.listen-address="]
    quiet = asyncio.subprocess.DEVNULL
    with held_ports(1) as (port,):
        listen = f"--web.listen-address=127.0.0.1:{port}"
        process = await asyncio.create_subprocess_exec(program, *options, listen, stderr=quiet, stdout=quiet)
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=LIMIT_S) as client:
                await until(partial(is_ready, client))
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            await asyncio.wait_for(process.wait(), LIMIT_S)


async def is_ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/-/ready")).status_code == 200
    except httpx.TransportError:
        return False


async def test_a_real_alertmanager_shows_the_root_cause_until_it_ends_and_what_it_sends_back_is_known_as_ours(
    tmp_path: Path,
) -> None:
    now = datetime.now(UTC)
    told = news(now=now)
    told = replace(told, localization=replace(told.localization, finished_at=now))
    resolved = replace(told, incident=incident(status=IncidentStatus.RESOLVED), now=now + timedelta(milliseconds=1))
    async with faulty(says(200)) as us, alertmanager(tmp_path, us.url) as url:
        to = backend(url, "Alertmanager")
        receiver = Alertmanager(to)
        assert (await receiver.found()).startswith("Alertmanager 0.")
        assert await receiver.send(told) == now + KEPT_UP
        (alert,) = await shown(url)
        assert alert["labels"]["alertname"] == "HypocenterRootCause"
        assert datetime.fromisoformat(alert["endsAt"]) >= now + HELD - timedelta(seconds=1)
        await until(lambda: sent_back(us, "firing"))
        assert await receiver.send(resolved) is None
        assert await shown(url) == []
        await until(lambda: sent_back(us, "resolved"))
        await to.aclose()
    assert all(alert.ours for group in groups(us) for alert in group.alerts)


async def shown(url: str) -> list[dict[str, Any]]:
    async with httpx.AsyncClient(timeout=LIMIT_S) as client:
        return cast("list[dict[str, Any]]", (await client.get(f"{url}/api/v2/alerts")).json())


def groups(us: FaultyServer) -> list[AlertGroup]:
    return [parse_alert_body(json.loads(asked.body)) for asked in us.asked]


def sent_back(us: FaultyServer, status: str) -> bool:
    return any(group.status == status for group in groups(us))
