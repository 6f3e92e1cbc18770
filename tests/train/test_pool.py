from dataclasses import replace
from pathlib import Path

import pytest

from model_store.train.filling import PoolPlan, fill_with_recorded, fill_with_simulated, simulated
from model_store.train.incidents import PooledIncident, from_bytes, stripped, to_bytes
from model_store.train.pool import Pool, shard_file
from service.agent.transcript_json import to_dict
from service.domain.fault import Fault
from service.domain.localization import RankedBy
from service.errors import CallerError, CaseError
from service.grader.truth import Truth
from service.rank import statistical
from service.view.view import View
from tests.conftest import CaseFactory
from tests.train.playing import play, view_of

PLAN = PoolPlan(seed=5, count=3, services=5, largest=8, fewest_traces=30, most_traces=40, shard=2)


def views() -> list[View]:
    """Incidents of several kinds; of some seeds a signal or a baseline is missing."""
    return [view_of(seed) for seed in (1, 2, 3, 7, 8, 10)] + [view_of(9, healthy=True), view_of(4, Fault.DEPLOY)]


def test_what_is_played_on_a_stripped_view_is_what_was_played_on_the_whole_one() -> None:
    for view in views():
        whole, bare = (play(v)[0] for v in (view, stripped(view)))
        assert to_dict(bare.transcript) == to_dict(whole.transcript)
        assert bare.localization.causes == whole.localization.causes
        assert bare.localization.ranked_by is RankedBy.MODEL
        assert statistical.rank(stripped(view)) == statistical.rank(view)
        seen = replace(view, new_pods={"shop": frozenset({"shop-1"})}, calls=frozenset({("shop", "store")}))
        assert (stripped(seen).calls, stripped(seen).new_pods) == (seen.calls, seen.new_pods)


def test_a_share_of_a_pool_is_of_the_field_and_leaves_the_others_as_they_are() -> None:
    mixed = PLAN.model_copy(update={"count": 8, "field_share": 0.4})
    incidents = [simulated(mixed, number) for number in range(mixed.count)]
    assert {incident.family for incident in incidents} == {"train", "field"}
    for number, incident in enumerate(incidents):
        alone = simulated(PLAN, number)
        assert alone.family == "train"
        assert (to_bytes(incident) == to_bytes(alone)) == (incident.family == "train")


def test_a_signal_without_baseline_and_one_that_was_not_recorded_still_say_so(synthetic_case: CaseFactory) -> None:
    view = view_of(1)
    for name in ("spans", "logs", "metrics"):
        table = getattr(view.tables, name)
        assert table is None or getattr(stripped(view).tables, name).now.num_rows == 0
    assert {v.tables.logs is None for v in views()} == {True, False}


def test_a_stripped_view_comes_back_from_bytes_as_it_was() -> None:
    for number, view in enumerate(views()):
        seen = replace(view, new_pods={"shop": frozenset({"shop-1"})})
        incident = PooledIncident(f"i{number}", "any", stripped(seen), Truth(()))
        back = from_bytes(to_bytes(incident))
        assert (back.view.calls, back.view.new_pods) == (view.calls, seen.new_pods)
        assert back.view.evidence == view.evidence
        assert back.view.graph == view.graph
        assert back.view.incident == view.incident
        assert (back.view.onset, back.view.notes) == (view.onset, view.notes)
        assert to_dict(play(back.view)[0].transcript) == to_dict(play(view)[0].transcript)
        assert to_bytes(back) == to_bytes(incident)


def test_a_pool_is_what_its_plan_says_whoever_makes_it_and_however_often_it_is_broken_off(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    pool = fill_with_simulated(tmp_path / "pool", PLAN, workers=1, report=lambda done, of: told.append((done, of)))
    assert told == [(0, 3), (2, 3), (3, 3)]
    assert [e.key for e in pool.entries] == ["s5-0", "s5-1", "s5-2"]
    first = shard_file(tmp_path / "pool", 0).read_bytes()
    shard_file(tmp_path / "pool", 0).unlink()
    again = fill_with_simulated(tmp_path / "pool", PLAN)
    assert shard_file(tmp_path / "pool", 0).read_bytes() == first
    assert [to_bytes(i) for i in again] == [to_bytes(simulated(PLAN, n)) for n in range(3)]


def test_a_pool_is_picked_from_without_reading_it(tmp_path: Path) -> None:
    pool = fill_with_simulated(tmp_path / "pool", PLAN)
    second = pool.where(lambda e: e.key == "s5-1")
    assert [i.key for i in second] == ["s5-1"]
    assert pool.picked([2, 0])[0].key == "s5-2"
    assert pool.entries[0].services == len(pool[0].view.graph.services)
    assert pool.entries[0].faults == pool[0].faults


def test_recorded_cases_can_be_a_pool(case_dir: Path, tmp_path: Path) -> None:
    pool = fill_with_recorded(tmp_path / "pool", [case_dir])
    (incident,) = pool
    assert incident.family == "synthetic"
    assert [cause.fault for cause in incident.truth.causes] == [Fault.NETWORK_DELAY]
    assert incident.view.evidence


def test_what_is_no_pool_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(CallerError, match="no pool"):
        Pool.open(tmp_path)
    fill_with_simulated(tmp_path / "pool", PLAN)
    with pytest.raises(CallerError, match="another plan"):
        fill_with_simulated(tmp_path / "pool", PLAN.model_copy(update={"seed": 6}))
    shard_file(tmp_path / "pool", 1).write_bytes(b"nonsense")
    with pytest.raises(CallerError, match=r"shard-00001\.zip"):
        Pool.open(tmp_path / "pool")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(CallerError, match="neither empty"):
        fill_with_simulated(tmp_path / "other", PLAN)
    with pytest.raises(CaseError):
        fill_with_recorded(tmp_path / "third", [tmp_path / "nothing"])
