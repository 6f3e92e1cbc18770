"""Processes of the testbed: each in a group of its own, pinned to a core, awaited with a limit, ended by its own id."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from deploy.testbed import REPOSITORY
from deploy.testbed.errors import MissingError, StartError

STOP_LIMIT_S = 5.0
PRIORITY = -8
"""Nice value of each process group, where the system allows it: strangers on the machine shall not look like faults."""


def program(name: str, package: str, *, below: str = "") -> str:
    """Where a program lies; ``below`` is a pattern for those that Debian keeps off the path. Raises `MissingError`."""
    aside = (str(path) for path in sorted(Path("/").glob(below))) if below else iter(())
    found = shutil.which(name) or next(aside, "")
    if not found:
        raise MissingError(f"{name} is not there: install the Debian package {package}")
    return found


@dataclass(slots=True)
class Process:
    """A running process (group) and how to start it again."""

    name: str
    argv: tuple[str, ...]
    popen: "subprocess.Popen[bytes]"
    log: Path
    farewell: int = signal.SIGTERM

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.popen.poll() is None

    def family(self) -> list[psutil.Process]:
        """It and all that it started."""
        try:
            own = psutil.Process(self.popen.pid)
            return [own, *own.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def signal(self, number: int) -> None:
        """Sends a signal to the whole family: PostgreSQL's servers are groups of their own."""
        for member in self.family():
            with contextlib.suppress(psutil.NoSuchProcess):
                member.send_signal(number)


@dataclass(slots=True)
class Processes:
    """All that the conductor started; leaving the context ends it, and so does the end of the conductor itself."""

    directory: Path
    running: dict[str, Process] = field(default_factory=dict[str, Process])
    _reaper: "subprocess.Popen[bytes] | None" = None

    def __enter__(self) -> "Processes":
        self.directory.joinpath("logs").mkdir(parents=True, exist_ok=True)
        self._reaper = subprocess.Popen(
            [sys.executable, "-m", "deploy.testbed.reaper"], stdin=subprocess.PIPE, cwd=REPOSITORY,
            start_new_session=True,
        )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        for name in reversed(list(self.running)):
            self.stop(name)
        if self._reaper is not None and self._reaper.stdin is not None:
            self._reaper.stdin.close()
            self._reaper.wait(STOP_LIMIT_S)

    def start(
        self,
        name: str,
        argv: Sequence[str],
        *,
        cpu: int | None = None,
        user: str | None = None,
        environment: Mapping[str, str] | None = None,
        farewell: int = signal.SIGTERM,
    ) -> Process:
        """Starts a process; standard output is appended to a log of its name."""
        full = (*_pinned(cpu), *_as_user(user), *argv)
        log = self.directory / "logs" / f"{name}.log"
        with log.open("ab") as out:
            popen = subprocess.Popen(
                full, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=REPOSITORY,
                start_new_session=True, env={**os.environ, **(environment or {})},
            )  # fmt: skip
        self.running[name] = Process(name, tuple(argv), popen, log, farewell)
        self._tell_reaper("+", popen.pid)
        with contextlib.suppress(OSError):  # without privileges or without automatic groups it stays as it is
            Path(f"/proc/{popen.pid}/autogroup").write_text(str(PRIORITY))
        return self.running[name]

    def stop(self, name: str, *, at_once: bool = False) -> None:
        """Ends a process and all that it started; asks first, unless it shall be gone at once."""
        process = self.running.pop(name, None)
        if process is None:
            return
        family = process.family()
        process.signal(signal.SIGCONT)
        process.popen.send_signal(signal.SIGKILL if at_once else process.farewell)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.popen.wait(STOP_LIMIT_S)
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        process.popen.wait(STOP_LIMIT_S)
        self._tell_reaper("-", process.popen.pid)

    def _tell_reaper(self, sign: str, pid: int) -> None:
        if self._reaper is not None and self._reaper.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._reaper.stdin.write(f"{sign}{pid}\n".encode())
                self._reaper.stdin.flush()


def wait_until(ready: Callable[[], bool], process: Process, limit_s: float) -> None:
    """Waits for a process to be ready. Raises `StartError` with the last line of its log."""
    until = time.monotonic() + limit_s
    while not ready():
        if not process.alive:
            raise StartError(f"{process.name} ended at once with {process.popen.returncode}: {_last_line(process.log)}")
        if time.monotonic() > until:
            raise StartError(f"{process.name} was not ready within {limit_s:.0f} s: {_last_line(process.log)}")
        time.sleep(0.1)


def answers(port: int) -> Callable[[], bool]:
    """Whether something accepts connections there."""

    def ready() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        return False

    return ready


def _pinned(cpu: int | None) -> tuple[str, ...]:
    taskset = shutil.which("taskset")
    return () if cpu is None or taskset is None else (taskset, "-c", str(cpu))


def _as_user(user: str | None) -> tuple[str, ...]:
    if user is None or os.geteuid() != 0:
        return ()
    return (program("setpriv", "util-linux"), f"--reuid={user}", f"--regid={user}", "--init-groups")


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else "it said nothing"
