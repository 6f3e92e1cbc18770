import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deploy.testbed.errors import MissingError, StartError
from deploy.testbed.processes import REPOSITORY, Processes, free_ports, program, wait_until

SLEEP = (sys.executable, "-c", "import time; time.sleep(100)")
LIMIT_S = 20

CONDUCTOR = """
import sys, time
from pathlib import Path
from deploy.testbed.processes import Processes
with Processes(Path(sys.argv[1])) as processes:
    process = processes.start("sleeper", [sys.executable, "-c", "import time; time.sleep(100)"])
    print(process.popen.pid, flush=True)
    time.sleep(100)
"""


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def comes_true_for(pid: int) -> bool:
    until = time.monotonic() + LIMIT_S
    while not gone(pid) and time.monotonic() < until:
        time.sleep(0.05)
    return gone(pid)


def test_leaving_ends_everything_even_what_is_stopped(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        pid = processes.start("sleeper", SLEEP).popen.pid
        processes.running["sleeper"].signal(signal.SIGSTOP)
    assert comes_true_for(pid)


def test_a_conductor_that_is_killed_leaves_nothing_running(tmp_path: Path) -> None:
    argv = (sys.executable, "-c", CONDUCTOR, str(tmp_path))
    with subprocess.Popen(argv, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as conductor:
        assert conductor.stdout is not None
        pid = int(conductor.stdout.readline())
        assert not gone(pid)
        conductor.kill()
        conductor.wait(LIMIT_S)
    assert comes_true_for(pid)


def test_a_process_that_ends_at_once_is_told_with_its_last_words(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        process = processes.start("mute", (sys.executable, "-c", "raise SystemExit('no bread')"))
        with pytest.raises(StartError, match=r"mute ended at once with 1: no bread"):
            wait_until(lambda: False, process, LIMIT_S)


def test_a_process_that_does_not_get_ready_is_told(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        process = processes.start("sleeper", SLEEP)
        with pytest.raises(StartError, match="sleeper was not ready"):
            wait_until(lambda: False, process, 0.3)


def test_a_missing_program_is_told_with_its_package() -> None:
    with pytest.raises(MissingError, match="install the Debian package bakery"):
        program("no-such-oven", "bakery")


def test_free_ports_are_distinct() -> None:
    assert len(set(free_ports(50))) == 50
