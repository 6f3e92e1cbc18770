"""Real answers of real servers, where they lie beside the repository (or at HYPOCENTER_RECORDED)."""

import os
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

DIRECTORY = Path(os.environ.get("HYPOCENTER_RECORDED", REPOSITORY.parent / "shared" / "recorded"))


def recorded_body(name: str) -> bytes:
    """The body of that name; skips the test without it."""
    path = DIRECTORY / name
    if not path.is_file():
        pytest.skip(f"no recorded body at {path}: set HYPOCENTER_RECORDED")
    return path.read_bytes()
