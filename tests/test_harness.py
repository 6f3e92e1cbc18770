"""The suite's own tools: what fails a test that leaves something, lists what was skipped, and tries new examples."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.random_examples import run_round
from tests.skips import skip_lines

LEAVING = """
import asyncio, io, logging, os, socket, subprocess, sys, threading
import pytest, tests.leftovers

tests.leftovers.GRACE_S = 0.0
ended = threading.Event()
kept = []

def test_thread():
    threading.Thread(target=ended.wait, daemon=True).start()

def test_process():
    kept.append(subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE))

def test_socket():
    kept.append(socket.create_server(("127.0.0.1", 0)))

def test_task():
    async def begin():
        kept.append(asyncio.create_task(asyncio.sleep(3600)))
        await asyncio.sleep(0)
    asyncio.run(begin())

def test_coroutine():
    async def inner():
        pass
    async def outer():
        with pytest.raises(RuntimeError):
            asyncio.run(inner())
    asyncio.run(outer())

def test_environment():
    os.environ["SET_BY_A_TEST"] = "1"

def test_log_line():
    stream = io.StringIO()
    logging.getLogger("ours").addHandler(logging.StreamHandler(stream))
    stream.close()
    logging.getLogger("ours").warning("nobody sees it")

def test_nothing():
    pass

def test_ended():
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()

def test_shared(server):
    assert server

@pytest.fixture(scope="module")
def server():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening

@pytest.fixture(scope="session", autouse=True)
def clear_away():
    yield
    ended.set()
    for one in kept:
        if isinstance(one, subprocess.Popen):
            one.communicate()
        elif isinstance(one, socket.socket):
            one.close()
"""

PROPERTIES = """
from hypothesis import given, strategies

@given(strategies.integers())
def test_numbers_are_small(number):
    assert number < 100

@given(strategies.integers())
def test_numbers_are_numbers(number):
    assert number == number
"""


def run_pytest(directory: Path, *options: str) -> str:
    command = [sys.executable, "-m", "pytest", "-p", "no:randomly", "-p", "no:cacheprovider", *options, str(directory)]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    ended = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    return ended.stdout


def test_a_test_that_leaves_something_behind_fails_and_says_what(tmp_path: Path) -> None:
    (tmp_path / "test_leaving.py").write_text(LEAVING)
    printed = run_pytest(tmp_path, "-p", "tests.leftovers", "-rE")
    failed = {line.partition("::")[2].split(" ")[0] for line in printed.splitlines() if line.startswith("ERROR ")}
    assert failed == {
        "test_thread",
        "test_process",
        "test_socket",
        "test_task",
        "test_coroutine",
        "test_environment",
        "test_log_line",
    }
    for left in (
        "given to asyncio.run",
        "thread Thread-1",
        "process ",
        "socket that listens",
        "task <Task",
        "SET_BY_A_TEST",
        "log line",
    ):
        assert left in printed, printed
    assert "10 passed, 7 errors" in printed


def test_what_is_skipped_is_listed_once_for_each_reason() -> None:
    skipped = [("tests/a.py::x", "no redis-server"), ("tests/b.py::x", "no redis-server"), ("tests/a.py::y", "no disk")]
    assert skip_lines(skipped) == [
        "1 skipped: no disk (tests/a.py)",
        "2 skipped: no redis-server (tests/a.py, tests/b.py)",
    ]


def test_the_list_ends_the_run(tmp_path: Path) -> None:
    (tmp_path / "test_skipping.py").write_text("import pytest\n\ndef test_x():\n    pytest.skip('no such server')\n")
    (tmp_path / "test_module.py").write_text("import pytest\n\npytest.importorskip('no_such', reason='no library')\n")
    printed = run_pytest(tmp_path, "-p", "tests.skips")
    assert "1 skipped: no such server (test_skipping.py)\n" in printed
    assert "1 skipped: no library (test_module.py)\n" in printed


def test_a_round_of_new_examples_is_counted_and_names_what_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["tests.conftest"]\n')
    (tmp_path / "test_numbers.py").write_text(PROPERTIES)
    examples, failed, printed = run_round(7, "0", [str(tmp_path), f"--rootdir={tmp_path}"])
    (only,) = failed
    assert only.endswith("test_numbers.py::test_numbers_are_small"), printed
    assert Counter(examples).keys() == {"passing", "failing", "invalid"}
    assert examples["passing"] >= 100
    assert "@reproduce_failure" in printed
