import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.testbed import REPOSITORY
from deploy.testbed.errors import MissingError, StartError
from deploy.testbed.processes import Processes, program, wait_until
from tests import waiting
from tests.waiting import LIMIT_S

SLEEP = (sys.executable, "-c", "import time; time.sleep(3600)")

CONDUCTOR = """
import sys, time
from pathlib import Path
from deploy.testbed.processes import Processes
with Processes(Path(sys.argv[1])) as processes:
    process = processes.start("sleeper", [sys.executable, "-c", "import time; time.sleep(3600)"])
    print(process.popen.pid, flush=True)
    time.sleep(3600)
"""


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):  # before it was opened, or after
        return True


def test_leaving_ends_everything_even_what_is_stopped(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        pid = processes.start("sleeper", SLEEP).popen.pid
        processes.running["sleeper"].signal(signal.SIGSTOP)
    waiting.wait_until(lambda: gone(pid))


def test_a_conductor_that_is_killed_leaves_nothing_running(tmp_path: Path) -> None:
    argv = (sys.executable, "-c", CONDUCTOR, str(tmp_path))
    with subprocess.Popen(argv, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as conductor:
        assert conductor.stdout is not None
        pid = int(conductor.stdout.readline())
        assert not gone(pid)
        conductor.kill()
        conductor.wait(LIMIT_S)
    waiting.wait_until(lambda: gone(pid))


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
