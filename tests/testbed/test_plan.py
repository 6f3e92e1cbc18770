from collections import Counter
from pathlib import Path

import pytest

from deploy.testbed import plan as plans
from deploy.testbed.errors import ShopError
from deploy.testbed.faults import INSIDE, WAYS, ailment_of
from deploy.testbed.plan import Plan, case_directory, left_to_do, read_plan
from service.domain.fault import Fault

ALL, SECOND, FOURTH = (Path(plans.__file__).parent / "plans" / f"{name}.toml" for name in ("all", "second", "fourth"))

TWO = """
[[incidents]]
id = "slow-one"
shop = "bookshop"
faults = [{ kind = "slow", how = "handler", on = "basket", amount = 300 }]
[[incidents]]
id = "calm-one"
shop = "bookshop"
"""


@pytest.fixture
def two(tmp_path: Path) -> Plan:
    path = tmp_path / "plan.toml"
    path.write_text(TWO)
    return read_plan(path)


def test_every_fault_but_the_unknown_can_be_injected() -> None:
    assert {kind for kind, _ in WAYS} == set(Fault) - {Fault.UNKNOWN}


def test_our_plan_breaks_everything_that_can_break_in_every_shop() -> None:
    plan = read_plan(ALL)
    for shop in {planned.shop for planned in plan.incidents}:
        told = {fault.kind for planned in plan.incidents if planned.shop == shop for fault in planned.faults}
        assert told == set(Fault) - {Fault.UNKNOWN}, shop
    assert len({planned.shop for planned in plan.incidents}) >= 3
    assert len(plan.incidents) >= 80


def test_our_plan_has_calm_harmless_and_double_incidents_in_every_shop() -> None:
    plan = read_plan(ALL)
    shops = {planned.shop for planned in plan.incidents}
    calm = Counter(p.shop for p in plan.incidents if not p.faults and not p.deploys)
    harmless = Counter(p.shop for p in plan.incidents if not p.faults and p.deploys)
    double = Counter(p.shop for p in plan.incidents if len(p.faults) == 2)
    assert set(calm) == set(harmless) == set(double) == shops


def test_the_first_of_our_plan_have_one_of_each_kind() -> None:
    first = read_plan(ALL).incidents[:19]
    assert {fault.kind for planned in first for fault in planned.faults} == set(Fault) - {Fault.UNKNOWN}
    assert sum(not planned.faults for planned in first) >= 2


def test_what_is_recorded_is_not_recorded_again(two: Plan, tmp_path: Path) -> None:
    assert [planned.id for planned in left_to_do(two, tmp_path)] == ["slow-one", "calm-one"]
    case_directory(tmp_path, two.incidents[0]).mkdir(parents=True)
    assert [planned.id for planned in left_to_do(two, tmp_path)] == ["calm-one"]


def test_a_recording_that_was_cut_off_is_done_again(two: Plan, tmp_path: Path) -> None:
    place = case_directory(tmp_path, two.incidents[0])
    place.with_name(f".{place.name}").mkdir(parents=True)
    assert len(left_to_do(two, tmp_path)) == 2


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"basket"', '"bucket"', "'bucket' is not in the shop bookshop"),
        ('"calm-one"', '"slow-one"', "there twice"),
        ('how = "handler"', 'how = "sleep"', "ways of slow: slow/handler"),
        ('"slow"', '"sloth"', "kind"),
        ('shop = "bookshop"\nfaults', 'shop = "grocery"\nfaults', "our own shops are"),
        ("[[incidents]]", "[[incidents]", "line"),
    ],
)
def test_a_wrong_plan_gets_one_line_that_says_what_is_wrong(tmp_path: Path, old: str, new: str, told: str) -> None:
    path = tmp_path / "plan.toml"
    assert old in TWO
    path.write_text(TWO.replace(old, new))
    with pytest.raises(ShopError) as caught:
        read_plan(path)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_fault_inside_a_process_has_its_ailment() -> None:
    told = [fault for planned in read_plan(ALL).incidents for fault in planned.faults]
    inside = [fault for fault in told if (fault.kind, fault.how) in INSIDE]
    assert {ailment_of(fault).kind for fault in inside} >= set(INSIDE.values()) - {"pool-size"}


def test_our_second_plan_has_what_the_first_lacks() -> None:
    incidents = read_plan(SECOND).incidents
    faults = [fault for planned in incidents for fault in planned.faults]
    bad = [planned for planned in incidents if any(fault.rolling for fault in planned.faults)]
    good = [planned for planned in incidents if planned.releases and planned not in bad]
    loss = [fault.on for fault in faults if fault.kind is Fault.NETWORK_LOSS]
    assert len(incidents) >= 22
    assert len({fault.how for planned in bad for fault in planned.faults}) >= 4  # slow, failing, wrong, burning cpu
    assert sum(len(planned.releases) > 1 for planned in bad) >= 2
    assert len(good) >= 3
    assert sum(bool(fault.operation) for fault in faults) >= 3
    assert len({fault.kind for fault in faults if fault.on[-1].isdigit()}) >= 4  # one replica is sick
    assert {"->" in on for on in loss} == {on[-1].isdigit() for on in loss} == {True, False}


def test_our_plans_have_no_id_in_common() -> None:
    ids = [planned.id for path in (ALL, SECOND, FOURTH) for planned in read_plan(path).incidents]
    assert len(set(ids)) == len(ids)


def test_the_shop_of_the_fourth_plan_is_in_no_other() -> None:
    shops = [{planned.shop for planned in read_plan(path).incidents} for path in (ALL, SECOND, FOURTH)]
    assert shops[0] == shops[1]
    assert shops[2].isdisjoint(shops[0])
    assert 8 <= len(read_plan(FOURTH).incidents) <= 10
