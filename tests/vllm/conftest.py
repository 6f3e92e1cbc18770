"""A real vLLM serves a model's directory: only with `make test-vllm`, which says which Python has vLLM."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service.llm.promoted import STORE, promoted_directory, read_promotion
from tests.vllm.drawn import write_drawn
from tests.vllm.serving import Served, serving

PYTHON = "VLLM_PYTHON"
FIGURES = pytest.StashKey[list[str]]()

collect_ignore_glob = [] if PYTHON in os.environ else ["test_*.py"]


@pytest.fixture(scope="session")
def vllm_python() -> Path:
    """The Python that has vLLM and transformers."""
    return Path(os.environ[PYTHON]).absolute()  # not resolved: the environment is known by its link


@pytest.fixture(scope="session")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model in use; while none is promoted, one whose weights are drawn by chance."""
    if read_promotion(STORE) is not None:
        return promoted_directory(STORE)
    return write_drawn(tmp_path_factory.mktemp("models") / "drawn")


@pytest.fixture(scope="session")
def vllm(vllm_python: Path, directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The server, for as long as the tests run."""
    with serving(vllm_python, directory, tmp_path_factory.mktemp("vllm") / "log") as served:
        yield served


Tell = Callable[[str], None]
"""Keeps a line of figures for the end of the run."""


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Tell:
    """Lines that are printed when all tests have run."""
    return request.config.stash.setdefault(FIGURES, []).append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in config.stash.setdefault(FIGURES, []):
        terminalreporter.write_line(line)
