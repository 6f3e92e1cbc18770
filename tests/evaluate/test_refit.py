from dataclasses import replace
from pathlib import Path

from model_store.refit import Labelled, leave_one_system_out, load, search
from service.domain.component import service
from service.domain.evidence import Evidence, EvidenceKind, Signal
from service.domain.fault import Fault
from service.domain.graph import ServiceGraph
from service.grader.truth import TrueCause, Truth
from service.rank.constants import RankConstants
from service.rank.statistical import rank
from tests.conftest import CaseFactory


def _cases(tmp_path: Path, case: CaseFactory, systems: int = 2, each: int = 2) -> list[Labelled]:
    for number in range(systems * each):
        case(40 + number, fault=Fault.SLOW).write(tmp_path / f"case-{number}")
    return [replace(labelled, system=f"s{n % systems}") for n, labelled in enumerate(load([tmp_path]))]


def test_every_system_is_left_out_once_and_told(tmp_path: Path, synthetic_case: CaseFactory) -> None:
    told: list[str] = []
    outcomes = leave_one_system_out(_cases(tmp_path, synthetic_case), told.append)
    assert [outcome.system for outcome in outcomes] == ["s0", "s1"]
    assert len(told) == 2
    for outcome in outcomes:
        assert all(0.0 <= score <= 1.0 for score in (*outcome.shipped, *outcome.refitted))


def test_one_system_alone_leaves_nothing_to_choose_on(tmp_path: Path, synthetic_case: CaseFactory) -> None:
    assert leave_one_system_out(_cases(tmp_path, synthetic_case, systems=1), print) == ()


def test_a_constant_that_hides_the_cause_is_moved(tmp_path: Path, synthetic_case: CaseFactory) -> None:
    (case,) = _cases(tmp_path, synthetic_case, systems=1, each=1)
    first, second = case.view.graph.services[:2]
    rows = (
        Evidence("e0", Signal.TRACES, EvidenceKind.SELF_TIME, service(first), "get", 4.0, 2.0, 1.0, effect=4.0),
        Evidence("e1", Signal.METRICS, EvidenceKind.METRIC, service(second), "errors", 9.0, 9.0, 0.0, effect=9.0),
    )
    apart = replace(case.view, evidence=rows, graph=ServiceGraph((first, second)))
    hidden = Labelled("s", apart, Truth((TrueCause(service(second), Fault.ERROR),)))
    start = RankConstants()
    assert rank(apart, start)[0].component == service(first)
    found = search([hidden], start)
    assert rank(apart, found)[0].component == service(second)
    assert found != start
