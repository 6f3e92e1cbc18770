import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.waiting import LIMIT_S

MEASURING = """
import contextlib, sys, time
from pathlib import Path
from model_store.bench_gateway.servers import bare_route
with contextlib.ExitStack() as stack:
    for name in ("one", "two"):
        (Path(sys.argv[1]) / name).mkdir()
        print(stack.enter_context(bare_route(Path(sys.argv[1]) / name)).pid)
    print(flush=True)
    time.sleep(3600)
"""


def test_told_to_stop_it_leaves_no_server_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-c", MEASURING, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as measuring:
        assert measuring.stdout is not None
        servers = [int(pid) for pid in iter(measuring.stdout.readline, "\n")]
        assert [alive(pid) for pid in servers] == [True, True]
        measuring.send_signal(signal.SIGTERM)
        assert measuring.wait(LIMIT_S) == 128 + signal.SIGTERM
    left = [pid for pid in servers if alive(pid)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert left == []


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()
