import asyncio
import json
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from shutil import copytree

import pytest

from model_store.evaluate.ablation import KINDS, only, without
from model_store.evaluate.baselines.registry import BASELINES
from model_store.evaluate.command import Wanted, run
from model_store.evaluate.methods import methods
from model_store.evaluate.move_alert import with_alerts_moved
from model_store.evaluate.permute import permute_case, permuted
from model_store.evaluate.results import CaseResult, summarize
from model_store.evaluate.run import Open, as_recorded, evaluate, evaluate_case, open_case
from model_store.simulate.batch import simulate
from service.agent.budget import Budget
from service.agent.localize import localize
from service.agent.renderer import messages
from service.domain.evidence import EvidenceKind
from service.domain.fault import Fault
from service.domain.localization import ModelIdentity, RankedBy
from service.errors import CallerError, CaseError, ModelError
from service.llm.rules import RulesModel
from service.ports import ChatReply
from tests.conftest import CaseFactory
from tests.waiting import LIMIT_S

pytestmark = pytest.mark.filterwarnings("default:::sklearn", "default:::pandas")


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three synthetic incidents."""
    directory = tmp_path_factory.mktemp("cases")
    simulate(directory, 3, 5, 6)
    return directory


def ours(directories: list[Path], source_of: Open = as_recorded) -> list[CaseResult]:
    broken: list[str] = []
    rows = methods(RulesModel(), Budget())
    evaluation = asyncio.run(evaluate(directories, rows, {}, lambda _, why: broken.append(why), source_of))
    assert broken == []
    return evaluation.results


def told(results: list[CaseResult]) -> list[object]:
    """All that must not change with names: which causes, which rank, why it stopped."""
    return [
        (r.id, r.truth, [(name, a.causes, a.rank, a.scores, a.stop, a.fault_right) for name, a in r.answers.items()])
        for r in results
    ]


def test_every_method_answers_every_case_and_the_json_keeps_the_contract(
    cases: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "figures.json"
    run(Wanted([cases], RankedBy.FUSED, json_file=target, ablate=True), print)
    document = json.loads(target.read_text())
    assert {"cases", "ac@1", "ac@3", "ac@5", "mrr", "seconds", "per_case"} <= document.keys()
    assert document["cases"] == len(document["per_case"]) == 3
    assert document["method"] == "rules, fused"
    assert set(document["seconds"]) == {"p50", "p95"}
    for case in document["per_case"]:
        assert {"id", "truth", "rank", "causes", "seconds", "stop"} <= case.keys()
        assert case["rank"] is None or case["causes"][case["rank"] - 1] in case["truth"]
    assert 0 <= document["ac@1"] <= document["ac@3"] <= document["ac@5"] <= 1
    assert document["intervals"]["ac@1"][0] <= document["ac@1"] <= document["intervals"]["ac@1"][1]
    printed = capsys.readouterr().out
    for name in ("statistical", "rules, alone", "rules, fused", *BASELINES, "without logs", "only gap"):
        assert f"| {name} " in printed
    by_fault = printed.partition("By kind of fault, all cases")[2].partition("Confidence, all cases")[0]
    kinds = [line.split("|")[1].strip() for line in by_fault.strip().splitlines()[2:]]
    assert kinds == list(dict.fromkeys(kinds))
    assert sum(int(line.split("|")[2]) for line in by_fault.strip().splitlines()[2:]) == 3
    assert 0 <= document["calibration_error"] <= 1
    sure = printed.partition("Confidence, all cases")[2].partition("What the model does")[0]
    assert [line.split("|")[1].strip() for line in sure.strip().splitlines()[2:]] == list(document["methods"])[:3]


def test_figures_of_an_earlier_run_are_compared_with_case_by_case(
    cases: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    earlier = tmp_path / "last-week.json"
    run(Wanted([cases], json_file=earlier, baselines=False, model="none"), print)
    run(Wanted([cases], baselines=False, model="none", earlier=earlier), print)
    paired = capsys.readouterr().out.rpartition("Paired, all cases")[2]
    assert "| last-week           | +0.00 [+0.00, +0.00] |" in paired


def test_alerts_can_be_moved_and_the_first_causes_are_counted_that_stay(
    cases: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = tmp_path / "figures.json"
    run(Wanted([cases], json_file=figures, baselines=False, model="none"), print)
    capsys.readouterr()
    run(Wanted([cases], baselines=False, model="none", earlier=figures, move_alerts_s=30.0), print)
    assert "statistical names the same component first as figures in " in capsys.readouterr().out
    with with_alerts_moved(-90.0)(sorted(cases.iterdir())[0]) as source:
        moved = json.loads((source.directory / "case.json").read_text())["alert"]["alerts"][0]["startsAt"]
        assert not (source.directory / "truth.json").exists()
    recorded = json.loads((sorted(cases.iterdir())[0] / "case.json").read_text())["alert"]["alerts"][0]["startsAt"]
    assert datetime.fromisoformat(moved) == datetime.fromisoformat(recorded) - timedelta(seconds=90)
    with pytest.raises(CallerError, match="one change at a time"):
        run(Wanted([cases], permute_names=True, move_alerts_s=1.0), print)


@pytest.mark.parametrize("content", ["no figures", '{"per_case": [{}]}', '{"per_case": []}', None])
def test_figures_of_other_cases_or_of_none_are_refused(cases: Path, tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "earlier.json").write_text(content)
    with pytest.raises(CallerError, match=r"--earlier .*earlier"):
        run(Wanted([cases], baselines=False, model="none", earlier=tmp_path / "earlier.json"), print)


def test_a_broken_case_is_told_in_one_line_and_costs_only_itself(
    cases: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copytree(cases, tmp_path / "cases")
    spoiled = sorted((tmp_path / "cases").iterdir())
    (spoiled[0] / "case.json").write_text('{"format": "case/9"}')
    (spoiled[1] / "truth.json").unlink()
    evaluation = run(Wanted([tmp_path / "cases"], baselines=False, model="none"), print)
    assert (len(evaluation.results), len(evaluation.broken)) == (1, 2)
    lines = capsys.readouterr().err.splitlines()
    assert [line.startswith(f"broken case: {path}") for line, path in zip(lines, spoiled, strict=False)] == [True, True]


def test_a_damaged_table_breaks_its_case_only(cases: Path, tmp_path: Path) -> None:
    copytree(cases, tmp_path / "cases")
    damaged = next(iter((tmp_path / "cases").glob("*/spans.parquet")))
    content = damaged.read_bytes()
    damaged.write_bytes(content[:200] + bytes(400) + content[600:])
    evaluation = run(Wanted([tmp_path / "cases"], baselines=False, model="none"), print)
    assert len(evaluation.results) + len(evaluation.broken) == 3
    assert all("\n" not in reason for _, reason in evaluation.broken)


def test_where_no_case_can_be_read_the_caller_is_told(cases: Path, tmp_path: Path) -> None:
    copytree(cases, tmp_path / "cases")
    for path in (tmp_path / "cases").glob("*/truth.json"):
        path.unlink()
    with pytest.raises(CaseError, match="none of 3 cases"):
        run(Wanted([tmp_path / "cases"]), print)


def test_a_model_that_does_not_exist_is_answered_with_those_that_do(cases: Path) -> None:
    with pytest.raises(CallerError, match="rules, none"):
        run(Wanted([cases], model="oracle"), print)
    with pytest.raises(CallerError, match="needs a model"):
        run(Wanted([cases], rank=RankedBy.MODEL, model="none"), print)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["evaluate", "/nowhere/at/all"], "/nowhere/at/all"),
        (["evaluate"], "CASES_DIR"),
        (["evaluate", "/nowhere/at/all", "--rank", "dice"], "dice"),
        (["simulate", "/proc/nobody/may/write/here", "--count", "1"], "cannot be written"),
        (["simulate", "/nowhere/at/all", "--seed", "-1"], "--seed"),
        (["stimulate"], "stimulate"),
    ],
)
def test_the_command_tells_bad_input_in_one_line_with_exit_code_2(arguments: list[str], named: str) -> None:
    command = [sys.executable, "-m", "model_store", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert ended.returncode == 2
    assert ended.stdout == ""
    (complaint,) = ended.stderr.splitlines()
    assert complaint.startswith("hypocenter-models: ")
    assert named in complaint


def test_a_case_without_a_cause_counts_in_the_false_cause_rate_only(
    synthetic_case: CaseFactory, tmp_path: Path
) -> None:
    synthetic_case(seed=3, healthy=True).write(tmp_path / "healthy")
    with as_recorded(tmp_path / "healthy") as source:
        result = asyncio.run(evaluate_case(source, {}, {"random": BASELINES["random"]}))
    summary = summarize([result], "random")
    assert (summary.cases, summary.measures, summary.false_cause_rate) == (1, {}, 1.0)
    assert (result.cluster.service, result.cluster.fault) == ("none", "none")


def test_the_same_cases_give_the_same_answers(cases: Path) -> None:
    directories = sorted(cases.iterdir())
    assert told(ours(directories)) == told(ours(directories))


def test_nothing_changes_when_every_component_gets_another_name(synthetic_case: CaseFactory, tmp_path: Path) -> None:
    faults = (Fault.CPU, Fault.NETWORK_DELAY, Fault.ERROR)
    directories = [tmp_path / fault for fault in faults]
    for fault, directory in zip(faults, directories, strict=True):
        synthetic_case(seed=11, fault=fault).write(directory)
    assert told(ours(directories, permuted)) == told(ours(directories))


def test_nothing_changes_when_recorded_components_get_other_names(cases_root: Path) -> None:
    recorded = sorted(path.parent for path in cases_root.glob("*/*/case.json"))
    one_a_system = list({path.parent: path for path in recorded}.values())[:2]
    assert told(ours(one_a_system, permuted)) == told(ours(one_a_system))


@pytest.mark.parametrize("names", range(3))
def test_a_small_model_reads_the_same_text_whatever_components_are_called(
    synthetic_case: CaseFactory, tmp_path: Path, names: int
) -> None:
    synthetic_case(seed=12, services=10, fault=Fault.CPU).write(tmp_path / "old")
    permute_case(tmp_path / "old", tmp_path / "new", seed=names)
    assert conversations(tmp_path / "new") == conversations(tmp_path / "old")


def conversations(directory: Path) -> list[object]:
    """All that the rules are shown of a case, frame by frame."""
    view = asyncio.run(open_case(directory)).view
    assert len(view.graph.nodes()) > 1
    outcome = asyncio.run(localize(view, RulesModel()))
    return [messages(frame, RulesModel.rendering) for frame in outcome.transcript.frames]


def test_a_renamed_case_says_nothing_of_the_truth_or_the_old_names(synthetic_case: CaseFactory, tmp_path: Path) -> None:
    synthetic_case(seed=11, fault=Fault.CPU).write(tmp_path / "old")
    fresh = permute_case(tmp_path / "old", tmp_path / "new")
    new = asyncio.run(open_case(tmp_path / "new")).view
    old = asyncio.run(open_case(tmp_path / "old")).view
    assert not (tmp_path / "new" / "truth.json").exists()
    assert new.graph.services == tuple(fresh[name] for name in old.graph.services)
    assert set(new.graph.services).isdisjoint(old.graph.services)
    assert new.incident.alerting_services == tuple(fresh[name] for name in old.incident.alerting_services)


def test_every_kind_of_evidence_is_ablated_exactly_once() -> None:
    kinds = [kind for group in KINDS.values() for kind in group]
    assert sorted(kinds) == sorted(EvidenceKind)


def test_with_and_without_a_kind_part_the_evidence_between_them(cases: Path) -> None:
    view = asyncio.run(open_case(sorted(cases.iterdir())[0])).view
    for kinds in KINDS.values():
        kept = {row.id for row in only(kinds, view).evidence}
        rest = {row.id for row in without(kinds, view).evidence}
        assert kept.isdisjoint(rest)
        assert kept | rest == {row.id for row in view.evidence}


def test_a_model_that_names_nothing_is_not_paid_for_the_statistical_rank(cases: Path) -> None:
    class Silent(RulesModel):
        identity = ModelIdentity("silent")

        async def reply(self, requests: object, timeout_s: float) -> list[ChatReply]:
            raise ModelError("nobody there")

    directory = sorted(cases.iterdir())[0]
    with as_recorded(directory) as source:
        result = asyncio.run(evaluate_case(source, methods(Silent(), Budget()), {}))
    assert result.answers["silent, alone"].causes == ()
    assert result.answers["silent, fused"].causes == result.answers["statistical"].causes


def test_at_depth_0_nothing_is_investigated_and_the_tables_tell_what_a_model_does(
    cases: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    linear = run(Wanted([cases], baselines=False, model="rules", depth=0), print)
    frames = [a.usage.frames for r in linear.results for n, a in r.answers.items() if a.usage and n != "statistical"]
    assert set(frames) == {1}
    assert "| rules, alone | 1.0 " in capsys.readouterr().out
