from pathlib import Path

import pytest

from deploy.testbed.errors import ShopError
from deploy.testbed.program.operations import expected_sum
from deploy.testbed.topology import SHOPS, Shop, Step, read_shop

OURS = sorted(path.stem for path in SHOPS.glob("*.toml"))

SMALL = """
name = "small"
entry = "door"
nodes = ["n1"]
rate_per_s = 1
latency_alert_ms = 100
[stores.db]
kind = "postgres"
node = "n1"
[journeys.visit]
share = 1.0
steps = ["door/open"]
[services.door]
node = "n1"
[services.door.operations]
open = { steps = [{ call = "room/enter" }] }
[services.room]
node = "n1"
[services.room.operations]
enter = { steps = [{ read = "guests" }] }
"""


def steps(shop: Shop) -> list[Step]:
    return [step for s in shop.services.values() for op in s.operations.values() for step in op.steps]


def test_there_are_three_shops_and_they_differ() -> None:
    shops = [read_shop(name) for name in OURS]
    assert len(shops) >= 3
    assert len({frozenset(shop.services) for shop in shops}) == len(shops)


@pytest.mark.parametrize("name", OURS)
def test_a_shop_has_what_real_systems_have(name: str) -> None:
    shop = read_shop(name)
    assert len(shop.services) >= 12
    assert sum(service.replicas > 1 for service in shop.services.values()) >= 2
    assert any(service.consumes for service in shop.services.values())
    assert {store.kind for store in shop.stores.values()} == {"postgres", "redis"}
    assert any(step.fan_out or step.optional for step in steps(shop))
    assert any(step.retries for step in steps(shop))
    assert len(shop.journeys) >= 3


@pytest.mark.parametrize("name", OURS)
def test_every_service_is_reached_by_some_journey_or_message(name: str) -> None:
    shop = read_shop(name)
    reached = {shop.entry} | {name for name, service in shop.services.items() if service.consumes}
    for _ in shop.services:
        reached |= {callee for caller, callee in shop.calls() if caller in reached}
    assert set(shop.services) <= reached


def test_the_expected_sum_counts_what_an_operation_cannot_do_without(tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    path.write_text(SMALL)
    assert expected_sum(read_shop(path), "door/open") == 2
    path.write_text(SMALL.replace('{ call = "room/enter" }', '{ call = "room/enter", optional = true }'))
    assert expected_sum(read_shop(path), "door/open") == 1


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('entry = "door"', 'entry = "window"', "'window' is no service"),
        ("room/enter", "room/leave", "calls 'room/leave', which is not there"),
        ('{ read = "guests" }', '{ call = "door/open" }', "in a circle"),
        ('{ read = "guests" }', '{ cache = "guests" }', "no store of kind redis"),
        ('{ read = "guests" }', '{ read = "guests", write = "guests" }', "here are 2"),
        ('node = "n1"\n[services.door.operations]', 'node = "n2"\n[services.door.operations]', "node 'n2'"),
        ("rate_per_s = 1", "rate_per_s = 0", "rate_per_s"),
        ("rate_per_s = 1", "rate_per_sec = 1", "rate_per_s"),
        ("[services.door]", "[services.door", "line"),
    ],
)
def test_a_wrong_shop_file_gets_one_line_that_says_what_is_wrong(tmp_path: Path, old: str, new: str, told: str) -> None:
    path = tmp_path / "shop.toml"
    assert old in SMALL
    path.write_text(SMALL.replace(old, new))
    with pytest.raises(ShopError) as caught:
        read_shop(path)
    assert told in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_shop_is_answered_with_those_that_exist() -> None:
    with pytest.raises(ShopError, match=", ".join(OURS)):
        read_shop("grocery")
