from pathlib import Path

import numpy as np
import pytest

from model_store.realism.command import REPORT, realism
from model_store.realism.comparison import compare_incidents, compare_rows, lines
from model_store.realism.features import OF_INCIDENT, OF_ROW, Described, describe
from model_store.simulate.batch import simulate
from model_store.train.filling import truth_of
from service.errors import CallerError
from tests.conftest import CaseFactory
from tests.train.playing import view_of


def described(seed: int, score: float) -> Described:
    """An incident of noise whose rows are so much stronger."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(0, 1, (8, len(OF_ROW)))
    rows[:, OF_ROW.index("score")] += score
    return Described("one", rows, rng.normal(0, 1, len(OF_INCIDENT)))


def test_an_incident_is_as_many_numbers_as_have_names(synthetic_case: CaseFactory) -> None:
    made = describe(view_of(1), truth_of(synthetic_case(1)))
    assert made.rows.shape[1] == len(OF_ROW) == len(set(OF_ROW))
    assert made.whole.shape == (len(OF_INCIDENT),)
    assert len(OF_INCIDENT) == len(set(OF_INCIDENT))
    assert np.isfinite(made.rows).all()
    assert np.isfinite(made.whole).all()


def test_what_tells_most_stands_first() -> None:
    simulated, recorded = (
        [described(seed, score) for seed in seeds] for seeds, score in ((range(20), 3.0), (range(20, 40), 0.0))
    )
    rows, whole = compare_rows(simulated, recorded), compare_incidents(simulated, recorded)
    assert rows.telling[0].name == "score"
    assert rows.telling[0].auc > 0.95
    assert rows.auc_of_behaviour > 0.95
    assert whole.auc_of_behaviour < 0.75
    assert any(line.startswith("| score | 0.9") or line.startswith("| score | 1.0") for line in lines(rows))


def test_too_few_recorded_cases_are_refused_in_one_line(tmp_path: Path) -> None:
    simulate(tmp_path, count=2, seed=1, services=4)
    with pytest.raises(CallerError, match=r"^2 recorded cases: at least 10 are needed to compare with$"):
        realism([tmp_path], 2, 1, None, print)


def test_the_report_and_its_pictures_are_written(tmp_path: Path) -> None:
    simulate(tmp_path / "cases", count=10, seed=1, services=4)
    said: list[str] = []
    realism([tmp_path / "cases"], 10, 2, tmp_path / "out", said.append)
    assert (tmp_path / "out" / REPORT).read_text(encoding="utf-8") == "\n".join(said)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {REPORT, "rows.png", "incidents.png"}
    assert sum("AUC" in line and "told by" in line for line in said) == 2
