"""That an incident is judged by a sample of its traces as by all of them: by the fetch plan, without any server."""

import json
from pathlib import Path

import pytest

from model_store.bench_adapters.replay import replayed, table
from tests.conftest import REPOSITORY

CASES = sorted(path.parent for path in (REPOSITORY / "tests" / "cases").glob("*/*/case.json"))
BROKEN = [case for case in CASES if json.loads((case / "truth.json").read_text())["causes"]]
"""Where nothing was wrong, whoever is least unsuspicious comes first, by a hair."""


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.name)
def test_a_sample_of_its_traces_has_the_same_first_cause_or_one_that_was_about_as_likely(case: Path) -> None:
    found = replayed(case)
    assert found is not None
    first, *others = found.recorded.causes
    as_likely = [other.component for other in others if other.confidence > first.confidence / 2]
    assert found.sampled.causes[0].component in [first.component, *as_likely]


def test_a_table_counts_those_that_agree() -> None:
    lines = list(table(BROKEN[:1]))
    assert lines[2].startswith(f"| {BROKEN[0].name} | ")
    assert lines[-1] == "the first cause is the same in 1 of 1"
