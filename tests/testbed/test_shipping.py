import json
from pathlib import Path

import pytest

from deploy.testbed.errors import ShopError
from deploy.testbed.shipping import MOST_BYTES, choose, recordings, ship


def recorded(root: Path, name: str, *faults: str, shop: str = "a", size: int = 100) -> Path:
    directory = root / shop / name
    directory.mkdir(parents=True)
    causes = [{"kind": "service", "name": "cart", "fault": fault} for fault in faults]
    (directory / "truth.json").write_text(json.dumps({"causes": causes}))
    (directory / "spans.parquet").write_bytes(b"x" * size)
    return directory


def chosen(root: Path) -> list[str]:
    return sorted(recording.directory.name for recording in choose(recordings(root)))


def test_every_kind_is_chosen_and_none_too_often(tmp_path: Path) -> None:
    for number in range(4):
        recorded(tmp_path, f"cpu-{number}", "cpu")
    recorded(tmp_path, "slow-0", "slow")
    assert chosen(tmp_path) == ["cpu-0", "cpu-1", "slow-0"]


def test_shops_take_turns(tmp_path: Path) -> None:
    for number in range(3):
        recorded(tmp_path, f"a-{number}", "cpu", shop="a")
    recorded(tmp_path, "b-0", "cpu", shop="b")
    assert chosen(tmp_path) == ["a-0", "b-0"]


def test_what_is_too_large_stays_behind(tmp_path: Path) -> None:
    recorded(tmp_path, "large", "cpu", size=MOST_BYTES + 1)
    recorded(tmp_path, "small", "cpu")
    assert chosen(tmp_path) == ["small"]


def test_all_together_stay_below_the_limit(tmp_path: Path) -> None:
    for number in range(20):
        recorded(tmp_path, f"case-{number}", f"fault-{number}", size=MOST_BYTES - 1000)
    assert len(chosen(tmp_path)) == 15


def test_three_without_a_cause_are_chosen(tmp_path: Path) -> None:
    for number in range(5):
        recorded(tmp_path, f"calm-{number}")
    assert len(chosen(tmp_path)) == 3


def test_shipping_replaces_what_was_there(tmp_path: Path) -> None:
    recorded(tmp_path / "from", "new", "cpu")
    recorded(tmp_path / "to", "old", "cpu")
    ship(tmp_path / "from", tmp_path / "to")
    assert [path.parent.name for path in (tmp_path / "to").glob("*/*/truth.json")] == ["new"]


def test_a_directory_without_recordings_is_told(tmp_path: Path) -> None:
    with pytest.raises(ShopError, match="holds no recordings"):
        recordings(tmp_path)
