"""Two versions at once: what their pods are called, who calls them, and when."""

import json
from pathlib import Path

import pytest

from deploy.testbed.conductor import Conductor, Replica
from deploy.testbed.containers import Pod, pod_name
from deploy.testbed.errors import ShopError
from deploy.testbed.faults import Injection, Release, cause_of, pods_of
from deploy.testbed.plan import Planned, read_plan
from deploy.testbed.program.clients import Callees
from deploy.testbed.program.trouble import Ailment
from deploy.testbed.program.wiring import Wiring, changed_at, read_wiring
from deploy.testbed.topology import read_shop

ROLLING = {"kind": "deploy", "how": "slow", "on": "pricing", "amount": 600, "rolling": True}


def replica(pod: str, place: str, version: str = "1.4.2") -> Replica:
    return Replica(Pod(pod, place.rpartition("-")[0], "shelf-a"), place, 1, 0, version, Ailment(), serving=True)


@pytest.fixture
def conductor() -> Conductor:
    """Knows its replicas, and has started none."""
    conductor = Conductor("bookshop")
    conductor.shop = read_shop("bookshop")
    for pod, place in (("pricing-7d-a", "pricing-0"), ("pricing-7d-b", "pricing-1"), ("search-9f-c", "search-0")):
        conductor.replicas[pod] = replica(pod, place)
    return conductor


def test_pods_of_one_version_share_a_part_of_their_names_and_no_two_are_the_same() -> None:
    old = [pod_name("menu-bff", "1.4.2") for _ in range(20)]
    new = pod_name("menu-bff", "1.5.0")
    assert len(set(old)) == len(old)
    assert len({name.rpartition("-")[0] for name in old}) == 1
    assert new.startswith("menu-bff-")
    assert new.rpartition("-")[0] != old[0].rpartition("-")[0]


def test_a_fault_hits_all_pods_of_a_service_or_the_one_in_a_place(conductor: Conductor) -> None:
    assert pods_of(conductor, "pricing") == ("pricing-7d-a", "pricing-7d-b")
    assert pods_of(conductor, "pricing-1") == ("pricing-7d-b",)
    assert pods_of(conductor, "books-db") == ()


def test_the_truth_of_a_sick_replica_names_its_service_and_the_pod(conductor: Conductor) -> None:
    told = Injection.model_validate({"kind": "slow", "how": "handler", "on": "pricing-1", "amount": 600})
    cause = cause_of(conductor, told)
    assert (cause["kind"], cause["name"], cause["pod"]) == ("service", "pricing", "pricing-7d-b")


def test_the_truth_of_a_bad_rolling_release_is_a_deploy_of_the_service(conductor: Conductor) -> None:
    cause = cause_of(conductor, Injection.model_validate(ROLLING))
    source = "deploy/slow rolling pricing"
    assert cause == {"kind": "service", "name": "pricing", "fault": "deploy", "fault_source": source}


def test_only_a_deploy_can_be_rolling() -> None:
    with pytest.raises(ValueError, match="slow cannot be rolling"):
        Injection.model_validate(ROLLING | {"kind": "slow", "how": "handler"})


def test_releases_that_begin_together_are_in_no_order() -> None:
    planned = Planned.model_validate(
        {"id": "one", "shop": "bookshop", "releases": ["stock", "basket"], "deploys": ["banners"], "faults": [ROLLING]}
    )
    orders = {tuple(one.service for one in planned.doings() if isinstance(one, Release)) for _ in range(200)}
    assert len(orders) == 6
    assert {order[0] for order in orders} == {"banners"}


@pytest.mark.parametrize("on", ["storefront", "books-db", "pricing-1"])
def test_a_plan_releases_services_behind_the_entry_only(tmp_path: Path, on: str) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(f'[[incidents]]\nid = "one"\nshop = "bookshop"\nreleases = ["{on}"]\n')
    with pytest.raises(ShopError, match=f"'{on}' cannot be released"):
        read_plan(path)


def test_an_operation_of_a_plan_has_to_be_there(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    fault = 'faults = [{ kind = "slow", how = "handler", on = "basket-1", operation = "unwrap", amount = 9 }]'
    path.write_text(f'[[incidents]]\nid = "one"\nshop = "bookshop"\n{fault}\n')
    with pytest.raises(ShopError, match="basket has no operation 'unwrap'"):
        read_plan(path)


def test_a_service_calls_the_replicas_that_the_wiring_names_now(tmp_path: Path) -> None:
    path = tmp_path / "wiring.json"

    def wire(*ports: int) -> Wiring:
        path.write_text(json.dumps({"calls": {"a": {"b": ports}}, "stores": {}, "collector": ""}))
        return read_wiring(path)

    callees = Callees(wire(1, 2), "a")
    assert [callees.turn("b") for _ in range(4)] == [1, 2, 1, 2]
    before = changed_at(path)
    callees.rewire(wire(1, 2, 3))
    assert changed_at(path) >= before
    assert {callees.turn("b") for _ in range(3)} == {1, 2, 3}
