"""A shop of real processes that really breaks, recorded as case/1: see `python -m deploy.testbed --help`."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
