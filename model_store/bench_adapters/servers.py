"""Servers of traces and logs that know what a case recorded, on sockets of this machine: the fakes beside the adapters,
in a process of their own, whose work is not the work of those that ask them.

    python -m model_store.bench_adapters.servers CASE_DIR     # says their addresses as JSON, ends with its input
"""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Generator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from service.domain.window import Window
from service.stores.jaeger_fake import FakeJaeger
from service.stores.loki_fake import FakeLoki
from service.stores.recorded import RecordedCase
from service.stores.tempo_fake import FakeTempo

ALWAYS = Window(datetime(1970, 1, 2, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))


@contextlib.contextmanager
def serving(case: Path) -> Generator[Mapping[str, str]]:
    """The addresses of "jaeger", "tempo" and "loki", as far as the case has what they tell."""
    command = [sys.executable, "-m", __name__, str(case)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:  # noqa: S603
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.kill()


async def serve(case: Path) -> None:
    """Serve until the input ends."""
    apps = await _apps(case)
    listening = {name: socket.create_server(("127.0.0.1", 0)) for name in apps}
    async with asyncio.TaskGroup() as group:
        for name, app in apps.items():
            group.create_task(uvicorn.Server(_config(app)).serve(sockets=[listening[name]]))
        addresses = {name: f"http://127.0.0.1:{at.getsockname()[1]}" for name, at in listening.items()}
        print(json.dumps(addresses), flush=True)
        await asyncio.to_thread(sys.stdin.read)
        os._exit(0)  # at once, whatever is still asked


async def _apps(case: Path) -> dict[str, Starlette]:
    telemetry, apps = RecordedCase.open(case).telemetry, dict[str, Starlette]()
    if telemetry.traces is not None:
        spans = await telemetry.traces.spans(ALWAYS)
        apps |= {"jaeger": FakeJaeger(spans).app(), "tempo": FakeTempo(spans).app()}
    if telemetry.logs is not None:
        apps["loki"] = FakeLoki(await telemetry.logs.logs(ALWAYS)).app()
    return apps


def _config(app: Starlette) -> uvicorn.Config:
    return uvicorn.Config(app, log_level="critical", lifespan="off", timeout_graceful_shutdown=1)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
