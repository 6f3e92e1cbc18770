"""A plugin of pytest that fails a test which leaves something behind: what goes on disturbs another test, by chance."""

import asyncio
import asyncio.runners
import gc
import logging
import os
import signal
import threading
import time
from collections.abc import Collection, Coroutine, Generator, Hashable, Mapping
from contextlib import contextmanager
from typing import Any

import psutil
import pytest

GRACE_S = 60.0
"""How long what was ended may take to be gone: the machine is shared."""
POLL_S = 0.01
BY_LIBRARIES = ("PYTEST_CURRENT_TEST", "KMP_", "TORCH")
"""How the names of environment variables begin that pytest, PyTorch and whatever uses OpenMP set by themselves."""
BY_PYTHON = "multiprocessing.resource_tracker"
"""A process that Python starts once and keeps."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)
LOGGERS = ("hypocenter", "uvicorn", "uvicorn.access", "opentelemetry")
"""Those that a command directs somewhere."""
OF_LOOPS = ("TestRunner._run_tests_and_fixtures", "async_generator_athrow")
"""Tasks that belong to an event loop: in which anyio runs tests, and which closes a generator that was collected."""

lasting_threads = ["reader_"]
"""How the names of threads begin that live on: the process's own, whoever needs them first (`service.stores.aside`)."""

Running = Mapping[Hashable, str]
"""What runs, by what tells it apart, and how a message describes it."""


shared: set[Hashable] = set()
"""What fixtures of a wider scope than one test have started; it lives on."""


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any]) -> Generator[None, Any, Any]:
    before = running() if fixturedef.scope != "function" else None
    made = yield
    if before is not None:
        shared.update(running().keys() - before.keys())
    return made


@pytest.fixture(autouse=True, scope="session")
def nothing_left_at_the_end() -> Generator[None]:
    """Fails the run if a server that tests share outlives them."""
    before = running()
    yield
    assert left_running(before) == [], "left behind by the tests"


@pytest.fixture(autouse=True)
def own_logging() -> Generator[None]:
    """Puts logging back: a command that a test runs in this process directs it to that test's standard error."""
    names = ("handlers", "propagate", "disabled")
    kept = [(one, one.level, {name: getattr(one, name) for name in names}) for one in map(logging.getLogger, LOGGERS)]
    yield
    for logger, level, state in kept:
        vars(logger).update(state)
        logger.setLevel(level)


@pytest.fixture(autouse=True)
def nothing_left() -> Generator[None]:
    """Fails a test that leaves something running or altered; servers that it shares with others live on."""
    before, state = running().keys(), process_state()
    with noticing() as noticed:
        yield
        left = [*left_running(before | shared), *altered(state), *noticed]
    assert left == [], "left behind by the test:\n" + "\n".join(left)


@contextmanager
def letting_threads_last(*prefixes: str) -> Generator[None]:
    """While a server runs that several tests share, it may start threads of such names whenever it needs them."""
    lasting_threads.extend(prefixes)
    try:
        yield
    finally:
        del lasting_threads[-len(prefixes) :]


def running() -> Running:
    """Threads, child processes and listening sockets of this process."""
    own = [thread for thread in threading.enumerate() if not thread.name.startswith(tuple(lasting_threads))]
    threads = {thread: f"thread {thread.name}" for thread in own}
    return {**threads, **_processes(), **_listeners()}


def _processes() -> Running:
    found: dict[Hashable, str] = {}
    for child in psutil.Process().children():
        try:
            command = " ".join(child.cmdline())
            if BY_PYTHON not in command:
                found["process", child.pid] = f"process {child.pid}: {command}"
        except psutil.ZombieProcess:  # a kind of NoSuchProcess: it ended, and nobody waited for it
            found["process", child.pid] = f"process {child.pid}, ended and not waited for"
        except psutil.NoSuchProcess:
            continue
    return found


def _listeners() -> Running:
    connections = psutil.Process().net_connections(kind="inet")
    listening = [one for one in connections if one.status == psutil.CONN_LISTEN]
    return {("listens", one.laddr): f"socket that listens on port {one.laddr.port}" for one in listening}


def left_running(known: Collection[Hashable]) -> list[str]:
    """What runs now and is not known, after `GRACE_S` for what is about to end."""
    until = time.monotonic() + GRACE_S
    while (left := [text for key, text in running().items() if key not in known]) and time.monotonic() < until:
        gc.collect()  # a pool's thread ends when the pool is collected
        time.sleep(POLL_S)
    return left


def process_state() -> dict[str, object]:
    """What all tests of a process share: one that alters it puts it back."""
    root = logging.getLogger()
    return {
        "environment": {name: value for name, value in os.environ.items() if not name.startswith(BY_LIBRARIES)},
        "working directory": os.getcwd(),
        "signal handlers": [signal.getsignal(number) for number in SIGNALS],
        "level of the root logger": root.level,
    }


def altered(before: Mapping[str, object]) -> list[str]:
    """Which parts of that state are not as they were, and how."""
    now = process_state()
    return [f"{name}: {_difference(before[name], now[name])}" for name in now if now[name] != before[name]]


def _difference(before: object, now: object) -> str:
    if isinstance(before, dict) and isinstance(now, dict):
        pairs: set[tuple[str, str]] = set(before.items()) ^ set(now.items())  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType, reportUnknownVariableType]
        return ", ".join(sorted({name for name, _ in pairs}))
    return f"{before} became {now}"


@contextmanager
def noticing() -> Generator[list[str]]:
    """Tasks that are cancelled because their event loop ends, coroutines that a second event loop in a thread was to
    run (it refuses, and complains of them in whichever test they are collected), log lines that no handler could write.
    """
    noticed: list[str] = []
    run = asyncio.run
    cancel_all, handle_error = asyncio.runners._cancel_all_tasks, logging.Handler.handleError  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]

    def cancelling(loop: asyncio.AbstractEventLoop) -> None:
        left = [task for task in asyncio.all_tasks(loop) if not any(one in repr(task.get_coro()) for one in OF_LOOPS)]
        if threading.current_thread() is threading.main_thread():  # a server in a thread is ended with all it does
            noticed.extend(f"task {task!r}" for task in left)
        cancel_all(loop)

    def running_alone(main: Coroutine[Any, Any, Any], **options: Any) -> Any:
        if asyncio.events._get_running_loop() is not None:  # pyright: ignore[reportPrivateUsage]
            noticed.append(f"coroutine {main!r}, given to asyncio.run in a running event loop")
            main.close()
        return run(main, **options)

    def failing(self: logging.Handler, record: logging.LogRecord) -> None:
        noticed.append(f"log line that could not be written: {record.name}: {record.msg}")

    runners: Any = asyncio.runners
    runners._cancel_all_tasks, logging.Handler.handleError = cancelling, failing
    asyncio.run = running_alone
    try:
        yield noticed
    finally:
        asyncio.run = run
        runners._cancel_all_tasks, logging.Handler.handleError = cancel_all, handle_error
